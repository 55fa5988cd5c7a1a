// Plays a scenario with tw::websocket and prints its trace as JSON. player.js is the same in JavaScript.
//
//   player-cpp SCENARIO.json URL run|start [CA.pem]
//
// What this class does not have is not in the trace: `binaryType` at the end of a look, `origin` of a message. A call
// that throws is named by its tw::errc.
#include <algorithm>
#include <array>
#include <cstdint>
#include <fstream>
#include <future>
#include <iostream>
#include <iterator>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <boost/json/src.hpp>
#include <tightwire.hpp>

namespace {

namespace json = boost::json;

std::string name_of(const tw::error &error) {
    if (error.error_code() == tw::errc::invalid_argument) {
        return "invalid_argument";
    }
    if (error.error_code() == tw::errc::state) {
        return "state";
    }
    if (error.error_code() == tw::errc::handle) {
        return "handle";
    }
    return error.what();
}

// Length in UTF-16, in which JavaScript counts, and the first 60 units.
json::array describe_text(const std::string &text) {
    std::size_t units = 0, end = 0;
    for (std::size_t at = 0; at < text.size(); at++) {
        unsigned char byte = static_cast<unsigned char>(text[at]);
        bool is_first = (byte & 0xc0) != 0x80;
        units += is_first ? (byte >= 0xf0 ? 2 : 1) : 0;
        end = units <= 60 ? at + 1 : end;
    }
    return {"text", units, text.substr(0, end)};
}

// CRC-32.
std::uint32_t checksum(const char *bytes, std::size_t size) {
    static const std::array<std::uint32_t, 256> table = [] {
        std::array<std::uint32_t, 256> made{};
        for (std::uint32_t byte = 0; byte < 256; byte++) {
            made[byte] = byte;
            for (int bit = 0; bit < 8; bit++) {
                made[byte] = made[byte] & 1 ? made[byte] >> 1 ^ 0xedb88320 : made[byte] >> 1;
            }
        }
        return made;
    }();
    std::uint32_t sum = ~0u;
    for (std::size_t at = 0; at < size; at++) {
        sum = sum >> 8 ^ table[(sum ^ static_cast<unsigned char>(bytes[at])) & 255];
    }
    return ~sum;
}

json::array describe(const tw::message &message) {
    if (message.is_text()) {
        return describe_text(message.text());
    }
    return {"bytes", message.size(), checksum(message.data(), message.size())};
}

// The member of that name, or this.
template <class T> T member(const json::object &of, const char *name, T otherwise) {
    const json::value *found = of.if_contains(name);
    return found ? json::value_to<T>(*found) : otherwise;
}

// The bytes of a step, as content.py makes them, with what surrounds them in a buffer of which they are a part.
struct content {
    explicit content(const json::object &step) {
        std::size_t size = member<std::size_t>(step, "bytes", 0);
        bool is_view = member<std::string>(step, "as", "") == "view";
        offset = is_view ? 7 : 0;
        buffer.resize(is_view ? offset + size + 1007 : size);
        auto begin = buffer.begin() + static_cast<std::ptrdiff_t>(offset), end = begin + static_cast<std::ptrdiff_t>(size);
        if (member<bool>(step, "pattern", false)) {
            std::size_t at = 0;
            std::generate(begin, end, [&at] { return static_cast<unsigned char>(at++ % 251); });
        } else {
            std::fill(begin, end, member<unsigned char>(step, "fill", 7));
        }
        length = size;
    }
    std::vector<unsigned char> buffer;
    std::size_t offset, length;
};

class player {
public:
    player(const json::object &scenario, std::string base, tw::loop &loop, tw_tls tls)
        : client_(scenario.at("client").as_object()), base_(std::move(base)), loop_(loop), tls_(tls) {}

    void begin() {
        ws_.onopen = [this](const tw::open_event &) { note_look("open", json::array()), react("open"); };
        ws_.onmessage = [this](const tw::message &message) { note("message", describe(message)), react("message"); };
        ws_.onerror = [this](const tw::error &) { note_look("error", json::array()), react("error"); };
        ws_.onclose = [this](const tw::close_event &closed) {
            note_look("close", {closed.code, closed.reason, closed.clean});
            react("close");
            end();
        };
        try {
            tw_tuning tuning = tw_tuning();
            tuning.size = sizeof tuning;
            const json::value *given = client_.if_contains("options");
            double close_timeout = given ? given->at("close_timeout").to_number<double>() : 0;
            tuning.close_timeout_ms = static_cast<std::uint32_t>(close_timeout * 1000);
            tw_client_opts options = tw_client_opts();
            options.tuning = &tuning;
            options.tls = tls_;
            ws_.connect(loop_, member<std::string>(client_, "url", base_), protocols(), options);
        } catch (const tw::error &error) {
            note("threw", {"constructor", name_of(error)});
            return end();
        }
        std::string url = ws_.url();
        note_look("made", {url == base_ ? "URL" : url});
        perform("start");
    }
    const json::array &trace() const { return trace_; }
    std::future<void> over() { return over_.get_future(); }

private:
    void note(const char *what, json::array more) {
        json::array entry{what};
        entry.insert(entry.end(), more.begin(), more.end());
        trace_.push_back(std::move(entry));
    }
    void note_look(const char *what, json::array more) {
        more.insert(more.end(), {static_cast<int>(ws_.ready_state()), amount(), ws_.protocol(), ws_.extensions()});
        note(what, std::move(more));
    }
    // What waits: exactly, or, where that depends on the system, only whether anything does.
    json::value amount() const {
        std::uint64_t amount = ws_.buffered_amount();
        return amount > 0 && member<std::string>(client_, "amounts", "") == "vague" ? json::value("some") : json::value(amount);
    }
    // A turn after the close event: nothing may come behind it.
    void end() {
        loop_.post([this] {
            perform("later");
            loop_.stop();
            over_.set_value();
        });
    }
    std::vector<std::string> protocols() const {
        const json::value *given = client_.if_contains("protocols");
        if (given && given->is_string()) {
            return {json::value_to<std::string>(*given)};
        }
        return given ? json::value_to<std::vector<std::string>>(*given) : std::vector<std::string>();
    }
    // Steps for an event: for each one, and for the nth.
    void react(const std::string &type) {
        perform(type);
        perform(type + " " + std::to_string(++seen_[type]));
    }
    void perform(const std::string &when) {
        const json::value *steps = client_.if_contains(when);
        for (const json::value &step : steps ? steps->as_array() : json::array()) {
            const json::key_value_pair &only = *step.as_object().begin();
            act(only.key(), only.value());
        }
    }
    void act(const std::string &what, const json::value &given) {
        if (what == "send") {
            attempt("send", [&] { send(given.as_object()); });
        } else if (what == "close") {
            attempt("close", [&] { close(given.as_array()); });
        } else if (what == "look") {
            note_look("look", json::array());
        } else if (what == "remember") {
            remembered_ = ws_.buffered_amount();
        } else if (what == "compare") {
            std::uint64_t amount = ws_.buffered_amount();
            note("compared", {amount < remembered_ ? "less" : amount > remembered_ ? "more" : "equal"});
        } else if (what == "fall") {
            note("fell", {ws_.buffered_amount() <= remembered_});
            remembered_ = ws_.buffered_amount();
        } else if (what != "binaryType") {
            throw std::invalid_argument("no counterpart in C++: " + what);
        }
    }
    template <class F> void attempt(const char *what, F &&act) {
        try {
            act();
        } catch (const tw::error &error) {
            note("threw", {what, name_of(error)});
        }
    }
    void send(const json::object &step) {
        if (step.contains("bytes")) {
            content made(step);
            ws_.send(made.buffer.data() + made.offset, made.length);
            if (member<bool>(step, "overwrite", false)) {
                std::fill(made.buffer.begin(), made.buffer.end(), 255);
            }
            return;
        }
        std::string made, text = member<std::string>(step, "text", "");
        for (std::size_t times = member<std::size_t>(step, "times", 1); times > 0; times--) {
            made += text;
        }
        ws_.send(made);
    }
    void close(const json::array &given) {
        int code = given.size() > 0 ? json::value_to<int>(given[0]) : 0;
        ws_.close(code, given.size() > 1 ? json::value_to<std::string>(given[1]) : std::string());
    }

    json::object client_;
    std::string base_;
    tw::loop &loop_;
    tw_tls tls_;
    json::array trace_;
    std::uint64_t remembered_ = 0;
    std::map<std::string, int> seen_;
    std::promise<void> over_;
    tw::websocket ws_;
};

json::value read(const char *path) {
    std::ifstream file(path);
    if (!file) {
        throw std::runtime_error(std::string("cannot read ") + path);
    }
    return json::parse(std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()));
}

} // namespace

int main(int argc, char **argv) {
    if (argc < 4 || argc > 5 || (argv[3] != std::string("run") && argv[3] != std::string("start"))) {
        std::cerr << "usage: player-cpp SCENARIO.json URL run|start [CA.pem]\n";
        return 2;
    }
    tw::loop loop;
    std::optional<tw::tls> tls;
    if (argc == 5) {
        tls.emplace(tw::tls::trust(argv[4]));
    }
    json::value scenario = read(argv[1]);
    player playing(scenario.as_object(), argv[2], loop, tls ? tls->id().value : 0);
    if (argv[3] == std::string("run")) {
        playing.begin();
        loop.run();
    } else {
        // The class is to be used on the thread that drives the loop.
        std::future<void> over = playing.over();
        loop.start();
        loop.post([&] { playing.begin(); });
        over.wait();
    }
    std::cout << json::serialize(playing.trace()) << "\n";
}
