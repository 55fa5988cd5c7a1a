// Classes and functions on their own.
#include <iostream>
#include <memory>
#include <string>
#include <tightwire.hpp>

@fragment@
