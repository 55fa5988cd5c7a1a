// One client connection in C++: prints how it ended as one JSON object. See tests/README.md.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <dirent.h>
#include <iostream>
#include <sstream>
#include <string>
#include <thread>
#include <tightwire.hpp>

namespace {

std::string string(const std::string &text) {
    std::string made = "\"";
    for (char c : text) {
        if (c == '"' || c == '\\') {
            made += '\\';
            made += c;
        } else if (static_cast<unsigned char>(c) < 0x20) {
            char escaped[8];
            std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(c));
            made += escaped;
        } else {
            made += c;
        }
    }
    return made + '"';
}

std::string http(const tw::close_event &closed) {
    if (closed.http_status == 0) {
        return "null";
    }
    std::ostringstream out;
    out << "{\"status\":" << closed.http_status << ",\"reason\":" << string(closed.http_reason)
        << ",\"body\":" << string(closed.http_body);
    for (const char *name : {"content-type", "location", "retry-after", "www-authenticate"}) {
        if (const char *value = closed.header(name)) {
            out << ',' << string(name) << ':' << string(value);
        }
    }
    out << '}';
    return out.str();
}

std::string error(const tw::close_event &closed) {
    if (closed.error == TW_OK) {
        return "null";
    }
    std::ostringstream out;
    out << "{\"code\":" << closed.error << ",\"sys\":" << closed.sys << ",\"phase\":" << string(closed.phase)
        << ",\"kind\":" << string(closed.error_kind) << ",\"text\":" << string(closed.error_text)
        << ",\"http\":" << http(closed) << ",\"attempts\":[";
    const char *comma = "";
    for (const tw::attempt &attempt : closed.attempts) {
        out << comma << "{\"address\":" << string(attempt.address) << ",\"cause\":" << string(attempt.cause)
            << ",\"sys\":" << attempt.sys << '}';
        comma = ",";
    }
    out << "]}";
    return out.str();
}

int descriptors() {
    DIR *folder = opendir("/proc/self/fd");
    int count = 0;
    while (readdir(folder)) {
        count++;
    }
    closedir(folder);
    return count;
}

// How many more there are than before; a thread that looks names up may be on its way out.
int left_over(int before) {
    for (int tries = 100; descriptors() > before && tries > 0; tries--) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return descriptors() - before;
}

struct arguments {
    tw_client_opts options = tw_client_opts();
    tw_tuning tuning = tw_tuning();
    tw_tls_opts tls = tw_tls_opts();
    const char *pins[2] = {nullptr, nullptr};
    std::vector<std::string> protocols;
    std::string say;
    std::vector<char> flood;
    int close = 0;

    void take(const std::string &name, const char *value) {
        std::uint32_t number = static_cast<std::uint32_t>(std::strtoul(value, nullptr, 10));
        if (name == "--say") {
            say = value;
        } else if (name == "--close") {
            close = static_cast<int>(number);
        } else if (name == "--ca") {
            tls.ca_file = value;
            tls.flags |= TW_TLS_ONLY_THESE_CAS;
        } else if (name == "--pin") {
            pins[0] = value;
            tls.pins = pins;
        } else if (name == "--proxy") {
            options.proxy = value;
        } else if (name == "--protocol") {
            protocols.push_back(value);
        } else if (name == "--digest") {
            options.auth = TW_AUTH_DIGEST;
            options.auth_user = "me";
            options.auth_secret = value;
        } else if (name == "--open-timeout") {
            tuning.open_timeout_ms = number;
        } else if (name == "--close-timeout") {
            tuning.close_timeout_ms = number;
        } else if (name == "--linger") {
            tuning.linger_ms = number;
        } else if (name == "--write-timeout") {
            tuning.write_timeout_ms = number;
        } else if (name == "--idle-timeout") {
            tuning.idle_timeout_ms = number;
        } else if (name == "--flood") {
            flood.resize(std::size_t(12) << 20); // more than all buffers between two ends take
        } else if (name == "--ping") {
            tuning.ping_interval_ms = tuning.ping_timeout_ms = number;
        } else if (name == "--max-message") {
            tuning.max_message = number;
        } else if (name == "--max-redirects") {
            options.max_redirects = number;
        } else {
            throw std::invalid_argument("unknown option " + name);
        }
    }
};

void run(const char *url, arguments &all) {
    std::unique_ptr<tw::tls> tls;
    tw::loop loop;
    tw::websocket ws;
    std::string events;
    auto note = [&](const char *name) { events += (events.empty() ? "" : ",") + string(name); };

    if (all.tls.ca_file) {
        tls.reset(new tw::tls(all.tls));
        all.options.tls = tls->id().value;
    }
    all.tuning.size = sizeof all.tuning;
    all.options.tuning = &all.tuning;
    ws.onopen = [&](const tw::open_event &) {
        note("open");
        if (!all.say.empty()) {
            ws.send(all.say);
        }
        if (!all.flood.empty()) {
            ws.send(all.flood.data(), all.flood.size(), tw::compress::never);
        }
        if (all.close) {
            ws.close(all.close);
        }
    };
    ws.onmessage = [&](const tw::message &) { note("message"); };
    ws.onerror = [&](const tw::error &) { note("error"); };
    ws.onclose = [&](const tw::close_event &closed) {
        note("close");
        std::cout << "{\"events\":[" << events << "],\"code\":" << closed.code
                  << ",\"clean\":" << (closed.clean ? "true" : "false") << ",\"reason\":" << string(closed.reason)
                  << ",\"error\":" << error(closed);
        loop.stop();
    };
    ws.connect(loop, url, all.protocols, all.options);
    loop.run();
}

} // namespace

int main(int argc, char **argv) {
    arguments all;
    for (int i = 2; i + 1 < argc; i += 2) {
        all.take(argv[i], argv[i + 1]);
    }
    int before = descriptors();
    auto begin = std::chrono::steady_clock::now();
    run(argv[1], all);
    auto took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
    std::cout << ",\"descriptors\":" << left_over(before) << ",\"took\":" << took.count() << "}\n";
}
