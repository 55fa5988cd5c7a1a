// Which overload of the wrapper a call means, in each dialect from C++11 on, and what each says of an object that is
// gone. No exceptions and no run-time types here: this is compiled without them, too.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <tightwire.hpp>

#define CHECK(condition) ((condition) ? (void)0 : (std::fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition), std::exit(1)))

template <class T> struct owner {
    static_assert(!std::is_copy_constructible<T>::value && !std::is_copy_assignable<T>::value, "one owner");
    static_assert(std::is_nothrow_move_constructible<T>::value && std::is_nothrow_move_assignable<T>::value, "moved without failure");
    static_assert(std::is_nothrow_destructible<T>::value, "gone without failure");
    static const bool holds = true;
};
static_assert(owner<tw::loop>::holds && owner<tw::websocket>::holds && owner<tw::server>::holds, "owners");
static_assert(owner<tw::timer>::holds && owner<tw::tls>::holds, "owners");
static_assert(std::is_trivially_copyable<tw::connection>::value, "a name");
static_assert(std::is_nothrow_copy_constructible<tw::buffer>::value && std::is_nothrow_move_constructible<tw::buffer>::value, "shared");
static_assert(!std::is_convertible<tw::ws_id, tw::server_id>::value && !std::is_convertible<tw::loop_id, tw::ws_id>::value, "kinds");
static_assert(!std::is_constructible<tw::connection, tw::server_id>::value, "kinds");
static_assert(!std::is_convertible<tw_ws, tw::ws_id>::value && !std::is_convertible<tw::ws_id, tw_ws>::value, "kinds");
static_assert(std::is_error_code_enum<tw::errc>::value, "comparable");

// Whether `connection.send(A, B)` is a call at all.
template <class A, class B> struct sends {
    template <class W> static auto test(int) -> decltype(std::declval<const W &>().send(std::declval<A>(), std::declval<B>()), std::true_type());
    template <class> static std::false_type test(...);
    static const bool holds = decltype(test<tw::connection>(0))::value;
};
static_assert(sends<char *, int>::holds && sends<const void *, std::size_t>::holds && sends<const char *, tw::compress>::holds, "calls");
static_assert(!sends<const char *, bool>::holds && !sends<std::string, bool>::holds && !sends<std::string, int>::holds, "no traps");
static_assert(!sends<std::nullptr_t, tw::compress>::holds, "no null");

using std::string;
using sent = std::pair<bool, string>; // text, payload

static sent text(const string &payload) { return sent(true, payload); }
static sent binary(const string &payload) { return sent(false, payload); }

static void send_each_way(tw::connection ws, std::vector<sent> &expected) {
    char letters[] = "a\0b";
    const char *literal = "literal";
    char *p = letters;
    int n = 3;
    std::size_t size = 3;
    std::vector<unsigned char> bytes = {'a', 0, 'b'};
    const unsigned char array[] = {'x', 'y'};
    std::array<unsigned char, 2> fixed = {{'f', 'g'}};
    string owned(letters, 3);
    std::error_code failed;

    ws.send(p, n), expected.push_back(binary(owned));
    ws.send(p, size), expected.push_back(binary(owned));
    ws.send(letters, sizeof letters - 1), expected.push_back(binary(owned));
    ws.send("abc", 2), expected.push_back(binary("ab"));
    ws.send(p, 0), expected.push_back(binary(""));
    ws.send(bytes.data(), bytes.size()), expected.push_back(binary(owned));
    ws.send(p, n, failed), expected.push_back(binary(owned));
    ws.send(p, n, tw::compress::never, failed), expected.push_back(binary(owned));
    ws.send("literal"), expected.push_back(text("literal"));
    ws.send(literal), expected.push_back(text("literal"));
    ws.send(p), expected.push_back(text("a"));
    ws.send(owned), expected.push_back(text(owned));
    ws.send(string("moved")), expected.push_back(text("moved"));
    ws.send({letters, 3}), expected.push_back(text(owned));
    ws.send("literal", tw::compress::always), expected.push_back(text("literal"));
    ws.send(owned, tw::compress::never), expected.push_back(text(owned));
    ws.send(owned, tw::compress::always, failed), expected.push_back(text(owned));
    ws.send("literal", failed), expected.push_back(text("literal"));
    ws.send(bytes), expected.push_back(binary(owned));
    ws.send(bytes, tw::compress::never), expected.push_back(binary(owned));
    ws.send(bytes, failed), expected.push_back(binary(owned));
    ws.send(array), expected.push_back(binary("xy"));
    ws.send(fixed), expected.push_back(binary("fg"));
    CHECK(ws.try_send("tried") == TW_OK), expected.push_back(text("tried"));
    CHECK(ws.try_send(bytes, tw::compress::never) == TW_OK), expected.push_back(binary(owned));
    CHECK(ws.try_send(TW_TEXT, p, size) == TW_OK), expected.push_back(text(owned));
    ws.begin_text("in "), ws.more("par"), ws.last("ts"), expected.push_back(text("in parts"));
    ws.begin_binary(bytes), ws.more(p, size), ws.last(), expected.push_back(binary(owned + owned));
    ws.begin_text("ra", tw::compress::never), ws.last("w"), expected.push_back(text("raw"));
    ws.begin_binary(p, size, tw::compress::always), ws.last(), expected.push_back(binary(owned));
    CHECK(!failed);
}

static void send_buffers(tw::connection ws, std::vector<sent> &expected) {
    std::error_code failed;
    tw::buffer shared(2, failed);
    std::memcpy(shared.data(), "ok", 2);
    ws.send(shared), expected.push_back(binary("ok"));
    ws.send(shared, TW_TEXT), expected.push_back(text("ok"));
    ws.send(shared, failed), expected.push_back(binary("ok"));
    ws.send(shared, TW_TEXT, failed), expected.push_back(text("ok"));
    ws.send(shared, tw::compress::never), expected.push_back(binary("ok"));
    CHECK(!failed);
}

// What later dialects have.
static void send_views(tw::connection ws, std::vector<sent> &expected) {
    (void)ws, (void)expected;
#if defined(__cpp_lib_string_view)
    struct convertible {
        operator std::string_view() const { return "by itself"; }
    };
    using namespace std::literals;
    std::error_code none;
    std::string_view view = "a\0b"sv;
    ws.send(view), expected.push_back(text(string(view)));
    ws.send(view.substr(1, 0)), expected.push_back(text(""));
    ws.send(view, tw::compress::never), expected.push_back(text(string(view)));
    ws.send(view, none), expected.push_back(text(string(view)));
    ws.send(convertible()), expected.push_back(text("by itself"));
    std::vector<std::byte> bytes = {std::byte{'b'}};
    ws.send(bytes), expected.push_back(binary("b"));
#endif
#if defined(__cpp_lib_span)
    std::span<const std::byte> all(bytes);
    std::array<unsigned char, 3> some = {'1', '2', '3'};
    ws.send(all), expected.push_back(binary("b"));
    ws.send(std::span(some)), expected.push_back(binary("123"));
    ws.send(std::span(some).subspan(1), none), expected.push_back(binary("23"));
    ws.send(std::as_bytes(std::span(view))), expected.push_back(binary(string(view)));
    ws.send(u8"gr\u00fcn"), expected.push_back(text("gr\xc3\xbcn"));
    ws.send(std::u8string(u8"gr\u00fcn")), expected.push_back(text("gr\xc3\xbcn"));
#endif
}

static string payload_of(const tw::message &m) {
    string copy = m.text();
    std::vector<unsigned char> bytes = m.bytes();
    CHECK(string(bytes.begin(), bytes.end()) == copy);
#if defined(__cpp_lib_string_view)
    CHECK(m.view() == copy && m.view().data() == m.data());
#endif
#if defined(__cpp_lib_span)
    CHECK(m.span().size() == copy.size() && static_cast<const void *>(m.span().data()) == m.data());
#endif
    return copy;
}

static void each_call_means_one_overload() {
    std::error_code failed;
    tw::loop loop(failed);
    CHECK(!failed);
    tw::server server;
    std::vector<sent> expected, got, told;
    server.onmessage = [&](tw::connection, const tw::message &m) { got.push_back(sent(m.is_text(), payload_of(m))); };
    server.onclose = [&](tw::connection, const tw::close_event &) { loop.stop(); };
    server.onopen = [&](tw::connection, const tw::open_event &) {
        const std::vector<unsigned char> bytes = {1};
        CHECK(server.broadcast("all") == 1 && server.broadcast(bytes) == 1);
        CHECK(server.broadcast(string("all"), failed) == 1 && server.broadcast(bytes, failed) == 1);
        CHECK(server.broadcast(TW_TEXT, "all", 1, failed) == 1 && !failed);
    };
    server.listen(loop, "ws://127.0.0.1:0", failed);
    CHECK(!failed && server.port(failed) == server.port() && !failed);
    tw::websocket ws;
    ws.onmessage = [&](const tw::message &m) {
        told.push_back(sent(m.is_text(), m.text()));
        if (told.size() == 5) {
            ws.close(1000, failed);
        }
    };
    ws.onopen = [&](const tw::open_event &) {
        send_each_way(ws, expected);
        send_buffers(ws, expected);
        send_views(ws, expected);
    };
    ws.connect(loop, "ws://127.0.0.1:" + std::to_string(server.port()), failed);
    loop.run(failed);
    CHECK(!failed && !expected.empty() && got == expected);
    CHECK((told == std::vector<sent>{text("all"), binary("\1"), text("all"), binary("\1"), text("a")}));
}

// Each twin of a call that throws tells of a dead connection, without anybody throwing.
static void a_connection_that_is_gone() {
    tw::connection gone;
    std::vector<unsigned char> bytes(3);
    std::vector<string> fields;
    tw::buffer shared(3);
    std::vector<std::error_code> told(24);
    std::size_t at = 0;
    for (std::error_code &one : told) {
        one = tw::errc::internal;
    }
    gone.send("x", told[at++]), gone.send("x", tw::compress::never, told[at++]);
    gone.send(bytes, told[at++]), gone.send(bytes, tw::compress::never, told[at++]);
    gone.send("x", 1, told[at++]), gone.send("x", 1, tw::compress::never, told[at++]);
    gone.send(shared, told[at++]), gone.send(shared, TW_TEXT, told[at++]);
    gone.begin_text("x", told[at++]), gone.begin_text("x", 1, told[at++]);
    gone.begin_binary(bytes, told[at++]), gone.begin_binary("x", 1, told[at++]);
    gone.more("x", told[at++]), gone.more("x", 1, told[at++]), gone.more(bytes, told[at++]);
    gone.last("x", told[at++]), gone.last(told[at++]), gone.last("x", 1, told[at++]);
    gone.ping(told[at++]), gone.ping("x", told[at++]);
    gone.accept(told[at++]), gone.accept_with("x", told[at++]), gone.accept_with("x", fields, told[at++]);
    gone.reject(403, "no", told[at++]);
    CHECK(at == told.size());
    for (const std::error_code &one : told) {
        CHECK(one == tw::errc::handle);
    }
    std::error_code failed = tw::errc::internal;
    gone.close(1000, failed);
    CHECK(!failed);
    gone.accept(fields, failed);
    CHECK(failed == tw::errc::handle);
    gone.reject(403, failed);
    CHECK(failed == tw::errc::handle);
    gone.reject(403, "no", fields, failed);
    CHECK(failed == tw::errc::handle && gone.try_send("x") == TW_EHANDLE);
    CHECK(!gone.id() && gone.ready_state() == tw::ready_state::closed && gone.url().empty());
}

static void a_server_a_timer_and_a_configuration() {
    std::error_code failed;
    string why;
    tw::server server;
    CHECK(server.port(failed) == 0 && failed == tw::errc::handle);
    CHECK(server.broadcast("x", failed) == 0 && failed == tw::errc::handle);
    tw::tls none = tw::tls::trust("/nowhere/ca.pem", failed, &why);
    CHECK(failed == tw::errc::tls && why.find("/nowhere/ca.pem") != string::npos && !none.id());
    tw::tls neither = tw::tls::identity("/nowhere/cert.pem", "/nowhere/key.pem", failed);
    CHECK(failed == tw::errc::tls && !neither.id());
    server.set_tls(none, failed);
    CHECK(failed == tw::errc::handle);
    tw::loop loop(failed, &why);
    CHECK(!failed && why.empty());
    int calls = 0;
    tw::timer once(loop, 0, [&] { calls++; }, failed), often(loop, 0, [&] { calls++; }, 1, failed);
    CHECK(!failed && once.id() && often.id() && once.id() != often.id());
    while (calls < 3) {
        loop.poll(1000, failed);
        CHECK(!failed);
    }
    tw_loop_opts wrong = tw_loop_opts();
    wrong.flags = 0x80000000u;
    tw::loop unmade(wrong, failed, &why);
    CHECK(failed == tw::errc::invalid_argument && !why.empty() && !unmade.id());
    tw::timer never(unmade, 0, [] {}, failed);
    CHECK(failed == tw::errc::handle && !never.id());
}

static void a_loop_that_is_gone() {
    std::error_code failed;
    tw::loop from, loop(std::move(from));
    from.run(failed);
    CHECK(failed == tw::errc::handle && !from.id());
    from.poll(0, failed);
    CHECK(failed == tw::errc::handle);
    from.start(failed);
    CHECK(failed == tw::errc::handle);
    from.post([] {}, failed);
    CHECK(failed == tw::errc::handle);
    from.on_ready(nullptr, nullptr, failed);
    CHECK(failed == tw::errc::handle && from.fd(failed) == -1 && failed == tw::errc::handle);
    from.stop();
    loop.on_ready(nullptr, nullptr, failed);
    CHECK(failed == tw::errc::state);
    CHECK(loop.fd(failed) >= 0 && !failed);
    bool called = false;
    loop.post([&] { called = true; loop.stop(); }, failed);
    loop.run(failed);
    CHECK(!failed && called);
}

static void ids_are_keys() {
    tw::loop loop;
    tw::websocket one, two;
    std::error_code failed;
    one.connect(loop, "ws://127.0.0.1:1", failed);
    two.connect(loop, "ws://127.0.0.1:1", failed);
    std::unordered_map<tw::ws_id, int> names = {{one.id(), 1}, {two.id(), 2}};
    std::map<tw::ws_id, int> sorted(names.begin(), names.end());
    CHECK(names.size() == 2 && names.at(two.id()) == 2 && sorted.at(one.id()) == 1);
    std::unordered_set<tw::server_id> servers = {tw::server_id{1}, tw::server_id{1}};
    CHECK(servers.size() == 1 && loop.id() == loop.id() && tw::loop_id{loop.id().value} == loop.id());
}

int main() {
    each_call_means_one_overload();
    a_connection_that_is_gone();
    a_server_a_timer_and_a_configuration();
    a_loop_that_is_gone();
    ids_are_keys();
    std::puts("ok");
    return 0;
}
