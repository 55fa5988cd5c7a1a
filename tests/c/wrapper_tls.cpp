// TLS through the C++ wrapper. Apart from wrapper.cpp, since valgrind takes longer for it than a handshake may.
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <tightwire.hpp>

#include "authority.h"

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            std::cerr << __FILE__ << ':' << __LINE__ << ": failed: " #condition "\n";              \
            std::exit(1);                                                                          \
        }                                                                                          \
    } while (0)

static tw::tls tls_of(const char *cert, const char *key) {
    tw_tls_opts options = tw_tls_opts();
    options.cert_pem = cert;
    options.cert_pem_len = std::strlen(cert);
    options.key_pem = key;
    options.key_pem_len = std::strlen(key);
    return tw::tls(options);
}

static bool shows(tw::loop &loop, const tw::server &server, const char *pin) {
    const char *const pins[] = {pin, nullptr};
    tw_tls_opts trust = tw_tls_opts();
    trust.ca_pem = authority;
    trust.ca_pem_len = sizeof authority - 1;
    trust.flags = TW_TLS_ONLY_THESE_CAS;
    trust.pins = pins;
    tw::tls tls(trust);
    tw_client_opts options = tw_client_opts();
    options.tls = tls.id().value;
    tw::websocket ws;
    bool opened = false;
    ws.onopen = [&](const tw::open_event &) {
        opened = true;
        ws.close(1000);
    };
    ws.onclose = [&](const tw::close_event &) { loop.stop(); };
    ws.connect(loop, "wss://127.0.0.1:" + std::to_string(server.port()), {}, options);
    loop.run();
    return opened;
}

static void certificates_can_be_replaced() {
    tw::loop loop;
    tw::server server;
    tw_server_opts options = tw_server_opts();
    tw::tls tls = tls_of(first_certificate, first_key);
    options.tls = tls.id().value;
    server.listen(loop, "wss://127.0.0.1:0", options);
    CHECK(shows(loop, server, first_pin) && !shows(loop, server, second_pin));
    server.set_tls(tls_of(second_certificate, second_key));
    CHECK(!shows(loop, server, first_pin) && shows(loop, server, second_pin));
}

int main() {
    certificates_can_be_replaced();
    std::cout << "ok\n";
}
