# Installing and packaging the C library. PREFIX is /usr/local, LIBDIR lib; DESTDIR stages.
export PREFIX LIBDIR DESTDIR

.PHONY: package install uninstall dist deb size test-packaging abi-update

package:
	@$(STEP) "build: packaged library" packaging/build $(LOCKED)

install: package man ## the C library below DESTDIR/PREFIX: headers, both libraries, pkg-config, CMake, manual
	@packaging/install
uninstall: ## takes away what install put there
	@packaging/install --uninstall
dist: package man ## target/tightwire-VERSION-SYSTEM.tar.gz, the same bytes every time
	@packaging/dist
deb: package man ## libtightwire0 and libtightwire-dev for Debian, in target
	@packaging/deb

abi-update: ## write abi/ anew: layouts, constants, declarations, and the header of the coming release
	@$(PY) packaging/abi.py --update
size: ## sizes of the stripped shared library, with each provider of TLS and without; fails over the limits
	@packaging/size

test-packaging: setup package man ## the header in every dialect, the binary interface, installed files and who uses them
	@$(STEP) "test: packaging" --need gcc,g++,g++-m32,clang,cmake,pkg-config,abidiff,mandoc,dpkg-shlibdeps,$(HOSTS) $(PY) -m pytest -q -n 2 tests/packaging
