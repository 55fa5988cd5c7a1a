// The C++ client of `make demo`: demo_client-cpp WSS_URL WS_URL CA_FILE
#include <cstdio>
#include <iostream>
#include <string>
#include <tightwire.hpp>

static const std::string greeting = "Grüße, 世界! 👋";

static void tell(const char *what, const std::string &detail)
{
    std::printf("%-8s %s\n", what, detail.c_str());
}

// Says one thing after the other, each when the answer to the last one is here.
static bool talk(tw::loop &loop, const std::string &url, const tw::tls *trust)
{
    std::vector<unsigned char> bytes(1 << 20);
    for (std::size_t i = 0; i < bytes.size(); i++) {
        bytes[i] = static_cast<unsigned char>(i % 251);
    }
    const std::string size = std::to_string(bytes.size()) + " bytes";
    bool failed = false;

    tw::websocket ws;
    ws.onopen = [&](const tw::open_event &event) {
        tell("open", "wss, subprotocol " + event.protocol());
        tell("said", greeting);
        ws.send(greeting);
    };
    ws.onmessage = [&](const tw::message &message) {
        if (!message.is_text()) {
            tell("heard", size + (message.bytes() == bytes ? ", all the same" : ", different"));
            tell("said", "tell me a story");
            ws.send("tell me a story");
            return;
        }
        tell("heard", message.text());
        if (message.text() == greeting) {
            tell("said", size);
            ws.send(bytes.data(), bytes.size());
        } else {
            ws.close(4000, "see you");
        }
    };
    ws.onclose = [&](const tw::close_event &event) {
        failed = event.error != TW_OK;
        if (failed) {
            tell("refused", event.error_text);
        } else {
            tell("closed", std::to_string(event.code) + " " + event.reason + (event.clean ? ", clean" : ", not clean"));
        }
        loop.stop();
    };
    tw_client_opts options = tw_client_opts();
    options.tls = trust ? trust->id().value : 0;
    ws.connect(loop, url, {"demo.v1"}, options);
    loop.run();
    return !failed;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        std::cerr << "usage: demo_client-cpp WSS_URL WS_URL CA_FILE\n";
        return 2;
    }
    try {
        tw::loop loop;
        tw::tls trust = tw::tls::trust(argv[3]);
        bool talked = talk(loop, std::string(argv[1]) + "/cpp", &trust);
        bool refused = !talk(loop, std::string(argv[2]) + "/members", nullptr);
        return talked && refused ? 0 : 1;
    } catch (const tw::error &error) {
        std::cerr << error.what() << "\n";
        return 1;
    }
}
