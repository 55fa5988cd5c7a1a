/* tightwire: WebSocket client and server (RFC 6455).
 *
 * Generated from ffi-c/src by `make header`; do not edit.
 *
 * - Objects are 64-bit ids, never pointers (but for tw_buf); 0 is none. An id is not used again before 2^36
 *   others of its kind. Any call with any id, from any thread, at any time is defined: an id that is dead,
 *   foreign or of another kind gives TW_EHANDLE, and one of the parent's in a forked child TW_EFORKED.
 * - Any function that returns a tw_status may give TW_EINTERNAL, which is a bug in the library.
 * - Structures with a `size` begin with it: set it to sizeof and all else that you do not need to zero.
 *   Members are only ever added at the end.
 * - What you pass is read during the call and not kept; what callbacks receive is valid until they
 *   return. No memory is ever handed over for freeing, and tw_buf has tw_buf_unref.
 * - No call raises SIGPIPE, changes signal handlers or the environment, or needs a global set-up.
 */
#ifndef TIGHTWIRE_H
#define TIGHTWIRE_H

#include <stddef.h>
#include <stdint.h>

#if !defined(TW_API)
# if defined(_WIN32) && !defined(TW_STATIC)
#  define TW_API __declspec(dllimport)
# else
#  define TW_API
# endif
#endif

#ifdef __cplusplus
extern "C" {
#endif


/* A text message (RFC 6455 section 5.6). */
#define TW_TEXT 1u

/* A binary message (RFC 6455 section 5.6). */
#define TW_BINARY 2u

/* More of the message follows: to send it in parts, and in the chunks of `on_chunk` (RFC 6455 section
 * 5.4).
 */
#define TW_MORE 4u

/* In `on_chunk`: a message begins. */
#define TW_FIRST 8u

/* Do not compress this message. */
#define TW_NODEFLATE 16u

/* Sends user and password with the first request (RFC 7617). Over `ws://` everyone on the way can read
 * them.
 */
#define TW_AUTH_BASIC 1u

/* Sends a token with the first request (RFC 6750). */
#define TW_AUTH_BEARER 2u

/* Proves the password, which is not itself sent, to a server that asks for it with 401 (RFC 7616): a
 * second request follows the first, on a new connection. TW_EUNSUPPORTED from a library that is built without it.
 */
#define TW_AUTH_DIGEST 3u

/* The connected socket `fd` of tw_client_opts is to be used. */
#define TW_CLIENT_FD 1u

/* Without `proxy`: go through the one that the environment names, as curl does (`https_proxy`,
 * `http_proxy`, `all_proxy`, `no_proxy`). Reads the environment during tw_connect only.
 */
#define TW_CLIENT_PROXY_FROM_ENV 2u

/* Refuses to connect to ports of other protocols, such as 25, as browsers do (Fetch, section "Port
 * blocking").
 */
#define TW_CLIENT_BLOCK_BAD_PORTS 4u

/* Connects to one host one after the other (RFC 6455 section 4.1): waits while another connection of the
 * same loop, also with this flag, is on its way to the same host and port, until that one has opened or
 * failed. The host is the one of the URL, whatever its addresses, `connect_to` and `proxy` are.
 * `open_timeout_ms` goes on only while it is this connection's turn. A redirect to another host waits
 * for its turn there, and each attempt of `reconnect` anew.
 */
#define TW_CLIENT_SERIALIZE_CONNECTS 8u

/* The URL, for tw_get_str. */
#define TW_STR_URL 1

/* The agreed subprotocol, for tw_get_str; empty before the connection is open. */
#define TW_STR_PROTOCOL 2

/* The agreed extensions, for tw_get_str; empty before the connection is open. */
#define TW_STR_EXTENSIONS 3

/* The peer's address and port, for tw_get_str; empty before the connection is open. */
#define TW_STR_REMOTE 4

/* Version and cipher suite of TLS, such as `TLSv1.3 TLS13_AES_128_GCM_SHA256`, for tw_get_str; empty
 * before the connection is open, and over `ws://`.
 */
#define TW_STR_TLS 5

/* Our own address and port, for tw_get_str; empty before the connection is open, and for a Unix socket.
 */
#define TW_STR_LOCAL 6

/* In the members of tw_tuning that end with `_ms`: no limit, and no pings for `ping_interval_ms`. Elsewhere it
 * is a number like others.
 */
#define TW_NEVER 4294967295u

/* No compression: clients do not offer it, servers do not accept it. */
#define TW_DEFLATE_OFF 1u

/* Keeps nothing: one compressor and one decompressor serve a whole loop, and every message is compressed
 * by itself (no context takeover, RFC 7692 section 7.1.1).
 */
#define TW_DEFLATE_SHARED 2u

/* A compressor (161 KiB) and a decompressor (46 KiB) for each connection, made when its first compressed
 * message is sent or comes in. The fastest, and small messages become smallest.
 */
#define TW_DEFLATE_DEDICATED 3u

/* The last bytes in each direction (4 KiB; 32 KiB of what comes in, if the peer cannot keep to a smaller
 * window): compresses as well as TW_DEFLATE_DEDICATED, for more time and
 * a twentieth of the memory.
 */
#define TW_DEFLATE_PARKED 4u

/* In `flags` of tw_loop_opts: a thread of the library (`tw-wait`) waits in the place of the host. The
 * descriptor of tw_loop_fd is a plain one then, and tw_loop_on_ready does without one; all work and all
 * callbacks stay on the thread that drives the loop. For hosts whose loop cannot watch an epoll
 * descriptor; it costs two switches of threads a turn.
 */
#define TW_LOOP_WAITER 1u

/* Something stopped working. */
#define TW_LOG_ERROR 1

/* Something went wrong, and the loop goes on: a refused request, messages without an `on_message`. */
#define TW_LOG_WARN 2

/* A server begins or ends. */
#define TW_LOG_INFO 3

/* A connection begins or ends. */
#define TW_LOG_DEBUG 4

/* Each message and control frame, without its payload. */
#define TW_LOG_TRACE 5

/* Compresses this message whatever its size and even if that makes it larger, where compression was
 * agreed upon (RFC 7692).
 */
#define TW_DEFLATE 32u

/* In `flags` of tw_server_opts: accept from the listening socket `listen_fd`. */
#define TW_SERVER_FD 1u

/* Done. */
#define TW_OK 0

/* An argument is NULL, has a bad size or an unknown flag, or is not legal otherwise. */
#define TW_EINVAL 1

/* The id is dead, of another kind, or never existed. */
#define TW_EHANDLE 2

/* Not legal in this readyState. */
#define TW_ESTATE 3

/* `max_buffered` payload bytes are queued: the message was not taken; wait for `on_drain`. */
#define TW_EAGAIN 4

/* Another thread drives the loop, or, for a whole message, one in parts is not finished. */
#define TW_EBUSY 5

/* Driving or freeing a loop from inside a callback, or a call that would wait for one from `on_log` or the
 * function of tw_loop_on_ready.
 */
#define TW_EREENTRANT 6

/* Too long for its place, or over a limit. */
#define TW_ETOOBIG 7

/* The system gave no memory, no descriptor or no thread. */
#define TW_ENOMEM 8

/* This library is built without it, or the structure is newer than the library. */
#define TW_EUNSUPPORTED 9

/* The loop, or what the id names of it, belongs to the parent process. */
#define TW_EFORKED 10

/* A bug in the library: a panic was caught. Any function that returns a status may give it; what the panic
 * said goes to `on_log` of the loop (TW_LOG_ERROR).
 */
#define TW_EINTERNAL 11

/* A deadline of tw_tuning passed: `open_timeout_ms`, `close_timeout_ms`, `write_timeout_ms`, or
 * `ping_timeout_ms` after a ping. Only in errors of a connection.
 */
#define TW_ETIMEDOUT 12

/* The loop is being freed, or the application gave the connection up. */
#define TW_ESHUTDOWN 13

/* The name could not be resolved. */
#define TW_EDNS 20

/* No address accepted the connection, or the address cannot be listened on. */
#define TW_ECONNECT 21

/* The proxy refused. */
#define TW_EPROXY 22

/* TLS failed. */
#define TW_ETLS 23

/* A certificate did not verify, the peer's here or ours there: name, trust, expiry, or none of the `pins` of
 * tw_tls_opts.
 */
#define TW_ECERT 24

/* The opening handshake failed (RFC 6455 section 4); see `http_status` of `tw_close_ev`. */
#define TW_EHANDSHAKE 25

/* The peer broke the protocol of frames (RFC 6455 section 5) or of compression (RFC 7692 section 7). */
#define TW_EPROTO 26

/* Text that is not UTF-8 (RFC 6455 section 8.1). */
#define TW_EUTF8 27

/* The stream ended without a closing handshake (RFC 6455 section 7.1.5). */
#define TW_ERESET 28

/* Takes any certificate from anybody: encrypted, but everyone on the way can read and change it. */
#define TW_TLS_DANGER_NO_VERIFY 1u

/* Trusts the given certificates only, not those of the platform. */
#define TW_TLS_ONLY_THESE_CAS 2u

/* Servers: lets only clients in that show a certificate which those of `ca_...` vouch for. The
 * platform's do not count here.
 */
#define TW_TLS_REQUIRE_CLIENT 4u

/* Servers: the same, but clients that show no certificate are let in, too. */
#define TW_TLS_OPTIONAL_CLIENT 8u

/* Shakes hands from the beginning each time. Otherwise a client resumes its sessions, and a server
 * remembers the last 256.
 */
#define TW_TLS_NO_RESUMPTION 16u

/* Like `keylog_file` with the file that the environment variable SSLKEYLOGFILE names, if it is set.
 * Without this flag it is not looked at.
 */
#define TW_TLS_KEYLOG_FROM_ENV 32u

/* Bytes with a count of their owners. The one object that is a pointer: it stays valid until the last
 * reference is given up, whatever becomes of connections and loops.
 */
typedef struct tw_buf tw_buf;

/* Header fields of a handshake. Borrowed: valid during the callback that got them. */
typedef struct tw_headers tw_headers;

/* A message, or what a ping or pong carried. Borrowed: valid during the callback. */
typedef struct tw_msg {
  /* The payload; no NUL follows. Never NULL. */
  const void *data;
  /* Its length in bytes. */
  size_t len;
  /* TW_TEXT or TW_BINARY; text is valid UTF-8. In `on_chunk` also TW_FIRST and TW_MORE. 0 for pings
   * and pongs.
   */
  uint32_t flags;
  /* Bytes of the message before this payload: 0, but for chunks. */
  uint64_t offset;
} tw_msg;

/* What a call came to: 0 or one of the positive `TW_E...` numbers. They are part of the ABI and
 * never change.
 */
typedef int tw_status;

/* An event loop. */
typedef uint64_t tw_loop;

/* Trust and keys for TLS. */
typedef uint64_t tw_tls;

/* Limits, times and compression of a connection. All members zero means all defaults. */
typedef struct tw_tuning {
  /* sizeof(tw_tuning) */
  size_t size;
  /* Largest message that is received, in bytes; 16 MiB. A larger one fails the connection with
   * close code 1009 (RFC 6455 section 7.4.1).
   */
  uint64_t max_message;
  /* Payload bytes that may be queued for sending; 16 MiB. tw_send gives TW_EAGAIN beyond it. Framing counts, too,
   * and of a message from another thread 128 bytes until the loop has taken it: small ones have a limit. One
   * message may overshoot, so that a longer one can be sent on an empty queue.
   */
  uint64_t max_buffered;
  /* Queued bytes from which on a sender should wait for `on_drain`, which comes below a quarter
   * of it; 64 KiB.
   */
  uint64_t high_water;
  /* For resolving, connecting, TLS and the opening handshake together; 10000. */
  uint32_t open_timeout_ms;
  /* From our Close frame to the peer's; 5000. */
  uint32_t close_timeout_ms;
  /* From the end of the closing handshake, or a failure, to the end of the TCP stream; 2000. */
  uint32_t linger_ms;
  /* How long queued output may make no progress at all; 30000. */
  uint32_t write_timeout_ms;
  /* After this much silence a ping is sent; 20000. */
  uint32_t ping_interval_ms;
  /* How long to wait for any byte after that ping; 20000. */
  uint32_t ping_timeout_ms;
  /* Largest HTTP head of the opening handshake, in bytes; 16 KiB. */
  uint32_t max_head;
  /* Most header fields of the opening handshake; 100. */
  uint32_t max_fields;
  /* Most empty fragments of one message; 256. */
  uint32_t max_empty_fragments;
  /* None are defined: 0. */
  uint32_t flags;
  /* Compression of messages (permessage-deflate, RFC 7692): one of TW_DEFLATE_OFF and its
   * relatives. 0: clients offer TW_DEFLATE_DEDICATED, servers accept none. The modes differ in what
   * a connection keeps between two messages; memory is for the default window and memory level.
   */
  uint32_t deflate;
  /* From 1, the fastest, to 9, the smallest output; 1 on a client, 2 on a server. */
  uint32_t deflate_level;
  /* Memory of a compressor, from 1 to 9; 5. */
  uint32_t deflate_memory_level;
  /* The window of our compressor, base-2 logarithm of bytes, from 9 to 15; 12. The peer may ask for
   * a smaller one.
   */
  uint32_t deflate_window_bits;
  /* The largest window that the peer is asked to keep to, from 9 to 15; 15, and
   * `deflate_window_bits` with TW_DEFLATE_PARKED.
   */
  uint32_t deflate_peer_window_bits;
  /* Messages with fewer bytes of payload are sent as they are; 128. 1 compresses every message that
   * is not empty.
   */
  uint32_t deflate_threshold;
  /* How long there may be no message in either direction; pings are none. Then the connection is closed with
   * 1001 (RFC 6455 section 7.4.1) and the reason "idle timeout". 0: for ever.
   */
  uint32_t idle_timeout_ms;
} tw_tuning;

/* A client or server connection. */
typedef uint64_t tw_ws;

/* A borrowed string. A NUL follows it too; it may contain NUL characters itself where a peer sent
 * them.
 */
typedef struct tw_str {
  /* Never NULL in what the library hands out. */
  const char *ptr;
  /* Length in bytes, without the NUL. */
  size_t len;
} tw_str;

/* What the opening handshake settled. Borrowed: valid during `on_open`. */
typedef struct tw_open_ev {
  /* The URL; on a server the one that the client asked for. */
  struct tw_str url;
  /* The agreed subprotocol, empty if there is none (RFC 6455 section 1.9). */
  struct tw_str protocol;
  /* The agreed extensions, empty if there are none. */
  struct tw_str extensions;
  /* The peer's address and port. */
  struct tw_str remote;
  /* Header fields of the peer's half of the handshake; see tw_header. */
  const struct tw_headers *headers;
  /* Connections that this client had before and lost; 0 unless it comes back (tw_reconnect_opts).
   * The place to subscribe again.
   */
  uint32_t reconnects;
} tw_open_ev;

/* Why a call failed. May be NULL wherever it is asked for; filled upon failure only. This
 * structure never grows.
 */
typedef struct tw_error {
  /* One of the `TW_E...` numbers. */
  int code;
  /* The `errno` behind it, or 0. */
  int sys;
  /* What happened, for people; ends with NUL. */
  char text[248];
} tw_error;

/* One address that a client tried in vain. This structure never grows. */
typedef struct tw_attempt {
  /* The address with its port, or the path of a Unix domain socket. */
  struct tw_str address;
  /* What the system said. */
  struct tw_str cause;
  /* The `errno` behind it, or 0. */
  int sys;
} tw_attempt;

/* How a connection ended. Borrowed: valid during the callback. The library makes it, so that members
 * may be added at the end.
 */
typedef struct tw_close_ev {
  /* The peer's close code; 1005 if its Close frame had none, 1006 if there was no closing
   * handshake (RFC 6455 section 7.1.5).
   */
  int code;
  /* 1 if the closing handshake was completed, else 0. */
  int clean;
  /* The peer's reason. */
  struct tw_str reason;
  /* What went wrong, or NULL. */
  const struct tw_error *error;
  /* The status of a server or proxy that refused the opening handshake, else 0. */
  int http_status;
  /* Where it went wrong: `dns`, `tcp`, `proxy`, `tls`, `upgrade`, `protocol`, `heartbeat`, `close`,
   * `app` or `system`; empty if nothing did.
   */
  struct tw_str phase;
  /* The text of `error`, however long: `phase: cause (detail)`. */
  struct tw_str error_text;
  /* What went wrong as a word that never changes, more precise than the code of `error`: `status`,
   * `wrong_accept`, `too_many_redirects`, `proxy_rejected`, `certificate_expired`, `alert_unknown_ca`
   * (an alert of the peer, RFC 8446 section 6), `heartbeat_timeout`, `ended`, and many more. Empty if
   * nothing did.
   */
  struct tw_str error_kind;
  /* The reason phrase that came with `http_status`. */
  struct tw_str http_reason;
  /* Header fields that came with `http_status`, or NULL; see tw_header. */
  const struct tw_headers *http_headers;
  /* The body that came with `http_status`, cut at 64 KiB. Never NULL. */
  const void *http_body;
  /* Its length in bytes. */
  size_t http_body_len;
  /* The addresses that were tried in vain, in that order, if no connection was made. */
  const struct tw_attempt *attempts;
  /* How many there are. */
  size_t attempts_len;
  /* Payload bytes that were sent by the application and did not leave. */
  uint64_t unsent;
} tw_close_ev;

/* A connection that was lost or could not be made, before it comes back. Borrowed: valid during
 * `on_reconnect`.
 */
typedef struct tw_reconnect_ev {
  /* What `on_close` would have said. */
  const struct tw_close_ev *lost;
  /* Which attempt in a row comes next, from 1. */
  uint32_t attempt;
  /* How long the policy would wait before it, in milliseconds; -1 if it would give up. */
  int64_t wait_ms;
} tw_reconnect_ev;

/* What a loop calls; one structure for a client connection or for all connections of a server. It
 * is copied: later changes have no effect. A member that is NULL is not called.
 *
 * For one connection: `on_open` at most once and before any message, and again only after an
 * `on_reconnect`; `on_close` exactly once and last, unless tw_detach was called. Callbacks run only inside
 * tw_loop_run, tw_loop_poll and tw_loop_free, or on the loop's own thread after tw_loop_start; never inside
 * tw_send and the like, and never inside another callback. What they receive is borrowed and valid until they
 * return. What leaves a callback in another way ends the process with one line on standard error that names
 * the callback: an exception, pthread_exit, longjmp (found by the thread's next call), and returning in a
 * child that was forked inside it.
 */
typedef struct tw_events {
  /* sizeof(tw_events) */
  size_t size;
  /* The opening handshake is done: tw_send is legal from now on. */
  void (*on_open)(tw_ws ws, void *user, const struct tw_open_ev *opened);
  /* A whole message came in. */
  void (*on_message)(tw_ws ws, void *user, const struct tw_msg *message);
  /* A piece of a message came in. If this is not NULL, messages come in pieces as they arrive, are not
   * kept until they are whole, and `on_message` is not called. The first piece has TW_FIRST, all but
   * the last TW_MORE; `max_message` is the limit of the whole, all the same. The pieces of a text are
   * valid UTF-8 together, but each may end within a character. Of a compressed message all is kept
   * until its end.
   */
  void (*on_chunk)(tw_ws ws, void *user, const struct tw_msg *chunk);
  /* A ping came in; its pong is on its way already (RFC 6455 section 5.5.2). */
  void (*on_ping)(tw_ws ws, void *user, const struct tw_msg *ping);
  /* A pong came in, asked for or not (RFC 6455 section 5.5.3). */
  void (*on_pong)(tw_ws ws, void *user, const struct tw_msg *pong);
  /* The queue of output, which had passed `high_water` or refused a message (TW_EAGAIN), fell under a
   * quarter of `high_water`, or of `max_buffered` if that is less.
   */
  void (*on_drain)(tw_ws ws, void *user, uint64_t buffered);
  /* The connection fails; `on_close` follows at once. */
  void (*on_error)(tw_ws ws, void *user, const struct tw_error *error);
  /* The connection is over. Exactly once, always (but for tw_detach), and last: when it returns, the id
   * is dead and `user` is not touched again on its behalf. A server's connection that `on_request` did
   * not tell of and that never opened has none.
   */
  void (*on_close)(tw_ws ws, void *user, const struct tw_close_ev *closed);
  /* A client's connection that comes back (tw_reconnect_opts) was lost or could not be made.
   * Returns the milliseconds to wait before the next attempt, for example `lost->wait_ms`, which is
   * what the policy decided; a negative number gives up, and `on_close` follows. NULL: as the policy
   * says. The next connection has the same id and begins with `on_open`; what was sent and did not
   * leave is gone.
   */
  int64_t (*on_reconnect)(tw_ws ws, void *user, const struct tw_reconnect_ev *lost);
} tw_events;

/* How a client comes back by itself. All members zero means all defaults.
 *
 * The wait before the nth attempt in a row is a random time of at most `initial_ms` doubled n times
 * and of at most `max_ms`; a server's `Retry-After` is a wait of at least that long. Another try is made
 * after everything but this: tw_close or tw_abort was called; the peer closed with 1000 or without a
 * code, or with 1002, 1003, 1007 to 1010, 3000 or 3003; the server answered with a status that is neither
 * 5xx nor 408, 425 or 429; its certificate or its handshake is wrong. `on_reconnect` may decide
 * otherwise.
 */
typedef struct tw_reconnect_opts {
  /* sizeof(tw_reconnect_opts) */
  size_t size;
  /* The most that the first wait may take; 250. */
  uint32_t initial_ms;
  /* The most that any wait may take; 30000. */
  uint32_t max_ms;
  /* A connection that was open for so long makes the next wait a first one again; 60000. */
  uint32_t reset_after_ms;
  /* Attempts in a row before giving up; 0: no limit. */
  uint32_t max_attempts;
} tw_reconnect_opts;

/* Where to connect, and how. All that is zero means its default. Everything is read during the call
 * and not kept, except for `user`.
 */
typedef struct tw_client_opts {
  /* sizeof(tw_client_opts) */
  size_t size;
  /* `ws://host:port/path?query` or `wss://...`, parsed as browsers do, or
   * `ws+unix:/path/of/socket:/resource`. Required.
   */
  const char *url;
  /* Subprotocols to offer, the preferred one first (RFC 6455 section 1.9); NULL-ended. */
  const char *const *protocols;
  /* Header fields to add to the request, `Name: value` each; NULL-ended. */
  const char *const *headers;
  /* An `Origin` to send, as browsers do (RFC 6455 section 10.2, RFC 6454 section 7). NULL: none. */
  const char *origin;
  /* Connect to this `host:port`, or to the Unix domain socket `unix:/path`, instead; name, certificate
   * and `Host` stay those of the URL.
   */
  const char *connect_to;
  /* The name that the certificate must be for, and that is asked for (SNI), instead of the URL's. */
  const char *tls_name;
  /* Trust and keys; 0: what the platform trusts. */
  tw_tls tls;
  /* TW_CLIENT_FD, TW_CLIENT_PROXY_FROM_ENV, TW_CLIENT_BLOCK_BAD_PORTS and
   * TW_CLIENT_SERIALIZE_CONNECTS, or 0.
   */
  uint32_t flags;
  /* Limits and times; NULL: the defaults. */
  const struct tw_tuning *tuning;
  /* What is called. Required. */
  const struct tw_events *events;
  /* Handed to every callback; never looked at. */
  void *user;
  /* Go through this proxy, for `ws://` and `wss://` alike: `http://user:password@host:port` or
   * `https://` (CONNECT, RFC 9110 section 9.3.6, with Basic or Digest login), `socks5://`, or
   * `socks5h://`, which resolves the name (RFC 1928, RFC 1929). NULL: none.
   */
  const char *proxy;
  /* Trust and keys for an `https://` proxy; 0: what the platform trusts. */
  tw_tls proxy_tls;
  /* The local address that the connection comes from, `address` or `address:port`; NULL: any. */
  const char *bind_address;
  /* Have the system probe an idle connection after this time (SO_KEEPALIVE); 0: no probes. */
  uint32_t tcp_keepalive_ms;
  /* With TW_CLIENT_FD: a connected stream socket, TCP or Unix, to use instead of connecting. The
   * library has a descriptor of its own afterwards; close yours whenever you like, and do not read or
   * write it meanwhile.
   */
  intptr_t fd;
  /* How to log in to the server: TW_AUTH_BASIC and its relatives, or 0. A header `Authorization`
   * comes before it, and both before user and password in the URL.
   */
  uint32_t auth;
  /* Redirects to follow (RFC 9110 section 15.4), all within `open_timeout_ms`; 0: none, so that one is
   * an error with its `Location`. Never from `wss` to `ws`. To another scheme, host or port go
   * neither the login nor the fields `Authorization`, `Cookie` and `Host`, and `connect_to` and
   * `tls_name` do not count there.
   */
  uint32_t max_redirects;
  /* The user for TW_AUTH_BASIC and TW_AUTH_DIGEST. */
  const char *auth_user;
  /* The password, or the token for TW_AUTH_BEARER. Never shown in an error or a log. */
  const char *auth_secret;
  /* How to come back when the connection is lost or cannot be made; NULL: not at all. */
  const struct tw_reconnect_opts *reconnect;
} tw_client_opts;

/* Counts of one connection. Those of compression (`deflate_...`) are bytes of the messages that went
 * compressed; others do not count there.
 */
typedef struct tw_stats {
  /* sizeof(tw_stats) */
  size_t size;
  /* Payload of sent messages before compression. */
  uint64_t deflate_sent;
  /* The same payload on the wire. */
  uint64_t deflate_sent_compressed;
  /* Payload of received messages after decompression. */
  uint64_t deflate_received;
  /* The same payload on the wire. */
  uint64_t deflate_received_compressed;
  /* Nanoseconds that the last ping took that was answered, the keep-alive's or one of tw_ping (RFC
   * 6455 section 5.5.3); 0 before there was one.
   */
  uint64_t latency_ns;
  /* Messages that tw_send and its relatives took. These six count over all connections of a client
   * that comes back.
   */
  uint64_t messages_sent;
  /* Their payload in bytes, before compression. */
  uint64_t payload_sent;
  /* Bytes that the system took: frames and the opening handshake, without TLS. */
  uint64_t bytes_sent;
  /* Messages that came in whole. */
  uint64_t messages_received;
  /* Their payload in bytes, after decompression. */
  uint64_t payload_received;
  /* Bytes that came in: frames and the opening handshake, without TLS. */
  uint64_t bytes_received;
} tw_stats;

/* Settings of a loop. All members zero means all defaults. */
typedef struct tw_loop_opts {
  /* sizeof(tw_loop_opts) */
  size_t size;
  /* TW_LOOP_WAITER, or 0. */
  uint32_t flags;
  /* Reads of one connection in one turn; 16. One with more to read goes on in the next turn,
   * after the others.
   */
  uint32_t reads_per_turn;
  /* What `on_log` is to hear of: TW_LOG_ERROR up to TW_LOG_TRACE, each with those before it. 0:
   * TW_LOG_WARN if there is an `on_log`.
   */
  int32_t log_level;
  /* Takes records, one line of UTF-8 each, NUL-ended. It runs amid the loop's work, on the thread where
   * that is done, mostly the one that drives the loop; of tightwire it may call tw_post, tw_loop_stop and the
   * calls on a connection that do not wait, and others give TW_EREENTRANT. NULL: there are none. The library
   * itself never writes to standard output, and to standard error only the line that names a callback which
   * was left by an exception or a jump, before the process ends; beside that, a bug in it (TW_EINTERNAL) has
   * the runtime of Rust write a line there.
   */
  void (*on_log)(void *user, int32_t level, const char *text, size_t len);
  /* Handed to `on_log`; never looked at. */
  void *user;
  /* Microseconds; 0: it sleeps at once. For this long since there was something to do, tw_loop_run, a tw_loop_poll
   * that may wait and the thread of tw_loop_start ask for news again and again instead of sleeping. What comes
   * meanwhile is spared the time that the system takes to wake a thread, and a core is busy instead. For whoever has
   * a core to spare; slower than sleep where the peer shares the core. Not with TW_LOOP_WAITER, and without effect in
   * a foreign loop, which waits by itself.
   */
  uint32_t spin_us;
} tw_loop_opts;

/* A listening socket. */
typedef uint64_t tw_server;

/* A client's opening handshake (RFC 6455 section 4.2.1). Borrowed: valid during `on_request`. The
 * library makes it, so that members may be added at the end.
 */
typedef struct tw_request {
  /* The method, `GET`. */
  struct tw_str method;
  /* Path and query as they came: neither decoded nor normalised. */
  struct tw_str target;
  /* The field `Host`. */
  struct tw_str host;
  /* The field `Origin`; empty if there is none, as from clients that are no browsers. */
  struct tw_str origin;
  /* The client's address and port. */
  struct tw_str remote;
  /* All header fields; see tw_header. */
  const struct tw_headers *headers;
  /* The subprotocols that the client offers, the preferred one first; see `protocols_len`. */
  const struct tw_str *protocols;
  /* How many there are. */
  size_t protocols_len;
} tw_request;

/* Where to listen, and whom to accept. All that is zero means its default. Everything is read during
 * the call and not kept, except for `user`.
 */
typedef struct tw_server_opts {
  /* sizeof(tw_server_opts) */
  size_t size;
  /* `ws://host:port`, `wss://host:port` with `tls`, or `host:port`; port 0 lets the system choose.
   * Required, but with TW_SERVER_FD.
   */
  const char *listen;
  /* Certificate and key, for `wss://`. */
  tw_tls tls;
  /* Clients that may wait to be accepted; 1024. */
  uint32_t backlog;
  /* Connections at one time; 0: no limit. More are refused with 503. */
  uint32_t max_conns;
  /* TW_SERVER_FD, or 0. */
  uint32_t flags;
  /* Subprotocols that the server speaks, the preferred one first; NULL-ended. A client that offers
   * none of them is accepted without one (RFC 6455 section 4.2.2).
   */
  const char *const *protocols;
  /* Origins of web pages that may connect, besides those of the same host, for example
   * `https://example.com`, or `*` for all; NULL-ended (RFC 6455 section 10.2).
   */
  const char *const *origins;
  /* Names that requests may have as `Host` on a loopback address, besides those of the machine
   * itself, or `*` for all; NULL-ended. Others are refused with 403 there, against DNS rebinding.
   */
  const char *const *hosts;
  /* Limits and times of each connection; NULL: the defaults. */
  const struct tw_tuning *tuning;
  /* What is called for every accepted connection. Required. */
  const struct tw_events *events;
  /* Handed to every callback; never looked at. */
  void *user;
  /* Called for every client that asks to be accepted and that `origins`, `hosts` and `max_conns` let
   * through. Answer with tw_accept or tw_reject, there or later, from any thread, within
   * `open_timeout_ms`: afterwards the library refuses with 503. `ws` is the connection's id from now
   * on, and `on_close` comes for it in any case. NULL: everyone is accepted.
   */
  void (*on_request)(tw_server server, void *user, tw_ws ws, const struct tw_request *request);
  /* With TW_SERVER_FD: a listening stream socket to accept from, instead of `listen`. The library has
   * a descriptor of its own afterwards; close yours whenever you like. The socket becomes
   * non-blocking.
   */
  intptr_t listen_fd;
} tw_server_opts;

/* A timer of a loop. */
typedef uint64_t tw_timer;

/* One more certificate of a server, with its key. This structure never grows. */
typedef struct tw_tls_cert {
  /* The certificate and what it is signed with, a PEM file. */
  const char *cert_file;
  /* The same as PEM text in memory. */
  const void *cert_pem;
  /* Its length in bytes. */
  size_t cert_pem_len;
  /* The private key of the certificate, a PEM file. */
  const char *key_file;
  /* The same as PEM text in memory. */
  const void *key_pem;
  /* Its length in bytes. */
  size_t key_pem_len;
} tw_tls_cert;

/* Trust and keys. A client uses `ca_...`, the flags, and a certificate of its own if servers ask for
 * one; a server needs `cert_...` and `key_...`. Each comes from a file or from memory, not both. Files
 * are read during the call and not watched.
 */
typedef struct tw_tls_opts {
  /* sizeof(tw_tls_opts) */
  size_t size;
  /* Certificates to trust besides the platform's, a PEM file. */
  const char *ca_file;
  /* The same as PEM text in memory. */
  const void *ca_pem;
  /* Its length in bytes. */
  size_t ca_pem_len;
  /* Our certificate and what it is signed with, a PEM file. */
  const char *cert_file;
  /* The same as PEM text in memory. */
  const void *cert_pem;
  /* Its length in bytes. */
  size_t cert_pem_len;
  /* The private key of our certificate, a PEM file. */
  const char *key_file;
  /* The same as PEM text in memory. */
  const void *key_pem;
  /* Its length in bytes. */
  size_t key_pem_len;
  /* 0x0303 for TLS 1.2, which is the default, or 0x0304 for TLS 1.3. */
  uint32_t min_version;
  /* TW_TLS_... */
  uint32_t flags;
  /* Clients: public keys of which one has to be in the server's chain of certificates, besides all
   * other verification; NULL-ended. Each is `sha256//` and the base64 of the SHA-256 of a
   * SubjectPublicKeyInfo, as curl writes them. It may be of the server's own key or of an authority
   * that vouches for it and that the server sends or `ca_...` has. With TW_TLS_DANGER_NO_VERIFY
   * only the server's own key counts, and nothing else is asked of it.
   */
  const char *const *pins;
  /* Appends the secrets of every connection to this file, in the format of SSLKEYLOGFILE. Whoever
   * reads it can decrypt what was recorded; a new one is readable for its owner only.
   */
  const char *keylog_file;
  /* Servers: more certificates. A client is shown the one with the name that it asks for (SNI, RFC
   * 6066 section 3), the very name rather than a wildcard; any other client that of `cert_...`.
   */
  const struct tw_tls_cert *more_certs;
  /* How many there are. */
  size_t more_certs_len;
} tw_tls_opts;

/* Makes a buffer of `len` zero bytes, to be filled through tw_buf_data, with one reference.
 *
 * Returns NULL if there is no memory. Any thread. The buffer lives until its last reference is given up
 * by tw_buf_unref, whatever becomes of loops.
 */
TW_API
struct tw_buf *tw_buf_new(size_t len);

/* Keeps the payload of a message, chunk, ping or pong beyond its callback, with one reference. From
 * 16 KiB on a whole message is not copied, unless it would hold on to far more memory than it
 * needs; its bytes are read-only until the callback returns.
 *
 * Returns NULL if there is no memory or `message` is NULL. Inside the callback that got `message`, on
 * its thread. The buffer lives until its last reference is given up by tw_buf_unref.
 */
TW_API struct tw_buf *tw_buf_keep(const struct tw_msg *message);

/* The bytes of a buffer, and their number in `len` unless that is NULL. The bytes stay where they are
 * as long as there is a reference. Do not write while the buffer is being sent or another thread reads it.
 *
 * Returns NULL for NULL. Any thread that has a reference.
 */
TW_API
void *tw_buf_data(struct tw_buf *buffer,
                  size_t *len);

/* Adds a reference and returns the same buffer; NULL for NULL.
 *
 * Any thread that has a reference. The buffer lives until each reference is given up by tw_buf_unref.
 */
TW_API struct tw_buf *tw_buf_ref(struct tw_buf *buffer);

/* Gives up a reference; the last one frees the buffer. Does nothing for NULL.
 *
 * Any thread that has a reference, any time, also after the loop is gone.
 */
TW_API void tw_buf_unref(struct tw_buf *buffer);

/* Starts a client connection (RFC 6455 section 4.1). Returns at once; `on_open`, or `on_close` if it
 * fails, comes later, from whoever drives the loop.
 *
 * TW_OK and the id in `out`, which may be sent to once it is open. Anything else means that nothing was
 * started and nothing will be called: TW_EINVAL for an argument, which `error` names; TW_EUNSUPPORTED for
 * an option that this library does not know; TW_EHANDLE for a dead `loop`, `tls` or `proxy_tls`, TW_EFORKED;
 * TW_EREENTRANT from `on_log` and the function of tw_loop_on_ready; TW_ESHUTDOWN while the loop is being
 * freed; TW_ENOMEM with 16777216 connections. The id needs no freeing: it dies after its `on_close`.
 *
 * Any thread, any callback. While another thread drives the loop it waits for the end of that turn, so
 * hold no lock that a callback takes; callbacks may come before this returns.
 *
 * The id needs no freeing: it dies after its `on_close`. What `options` points at may go when this returns.
 * What its `user` points at has to live as long as the id.
 */
TW_API
tw_status tw_connect(tw_loop id,
                     const struct tw_client_opts *options,
                     tw_ws *out,
                     struct tw_error *error);

/* Starts the closing handshake behind everything that is queued (RFC 6455 section 7.1.2), or gives up
 * a connection that is not open yet. Does nothing on one that is closing already. `on_close` follows,
 * later.
 *
 * `code` is 0 for none, or any code that may be sent: 1000-1003, 1007-1014, 3000-4999 (RFC 6455
 * section 7.4); `reason` is NULL or at most 123 bytes of UTF-8, and needs a code. TW_OK; TW_EINVAL for
 * another code or reason; TW_EUTF8 for a reason that is not UTF-8; TW_EHANDLE for a dead id, TW_EFORKED. Any
 * thread, any callback.
 */
TW_API
tw_status tw_close(tw_ws ws,
                   int code,
                   const char *reason);

/* Ends the TCP connection without a closing handshake; `on_close` follows, later, with code 1006.
 *
 * TW_OK; TW_EHANDLE for a dead id, TW_EFORKED. Any thread, any callback.
 */
TW_API tw_status tw_abort(tw_ws ws);

/* Ends the TCP connection as tw_abort does, and calls nothing for it any more, not even `on_close`: when
 * this returns, `user` is yours. From another thread it waits for a callback that is running, so hold no
 * lock that a callback of this loop takes: that would be a deadlock. Made for destructors.
 *
 * TW_OK; TW_EHANDLE for a dead id, of which nothing is called either, TW_EFORKED; TW_EREENTRANT from `on_log`
 * and the function of tw_loop_on_ready. Any thread, any callback, its own included.
 */
TW_API
tw_status tw_detach(tw_ws ws);

/* Reads nothing of a connection until tw_resume: no message comes, pings are not answered, the peer's sends
 * wait in the network, and its silence is not judged. Called on the loop's thread, no `on_message` comes
 * after it returns; from another thread at most the one that is running. tw_close resumes.
 *
 * TW_OK; TW_EHANDLE for a dead id, TW_EFORKED. Any thread, any callback.
 */
TW_API
tw_status tw_pause(tw_ws ws);

/* Reads again. Does nothing on a connection that is not paused.
 *
 * TW_OK; TW_EHANDLE for a dead id, TW_EFORKED. Any thread, any callback.
 */
TW_API tw_status tw_resume(tw_ws ws);

/* Looks up a header field by its name, in whatever case; the first one of that name.
 *
 * Returns its value, NUL-ended, and stores its length in `len` unless that is NULL; returns NULL if
 * there is none or an argument is NULL. Inside the callback that got `headers`, on its thread. The
 * value is valid as long as `headers`, until the callback returns.
 */
TW_API const char *tw_header(const struct tw_headers *headers, const char *name, size_t *len);

/* How many header fields there are; 0 for NULL.
 *
 * Inside the callback that got `headers`, on its thread.
 */
TW_API size_t tw_header_count(const struct tw_headers *headers);

/* Stores name and value of the field at `index`, from 0, in the order in which they came. Fields of one
 * name may come more than once.
 *
 * TW_OK; TW_EINVAL if there is no such field or an argument is NULL. Inside the callback that got
 * `headers`, on its thread. The texts are valid as long as `headers`, until the callback returns.
 */
TW_API
tw_status tw_header_at(const struct tw_headers *headers,
                       size_t index,
                       struct tw_str *name,
                       struct tw_str *value);

/* The state as in browsers: 0 connecting, 1 open, 2 closing, 3 closed. A dead id is closed, and so is every
 * connection of the parent in a forked child.
 *
 * Any thread, any callback.
 */
TW_API
int tw_ready_state(tw_ws ws);

/* Payload bytes that were sent and not yet given to the system, without framing, as in browsers. Does
 * not shrink while a callback runs. A dead id has none, nor has one of the parent in a forked child.
 *
 * Any thread, any callback.
 */
TW_API uint64_t tw_buffered_amount(tw_ws ws);

/* Copies a text about the connection, with its NUL, to `buffer` of `capacity` bytes. `which` is one of
 * TW_STR_URL and its relatives. `needed`, unless it is NULL, receives the length with the NUL.
 *
 * TW_OK, also for NULL with capacity 0, which only asks for the length; TW_ETOOBIG if the buffer is too
 * short, and nothing is copied; TW_EINVAL for another `which`, or NULL with a capacity; TW_EHANDLE for a
 * dead id, TW_EFORKED. Any thread, any callback, the connection's own `on_close` included.
 */
TW_API
tw_status tw_get_str(tw_ws ws,
                     int which,
                     char *buffer,
                     size_t capacity,
                     size_t *needed);

/* Fills `stats`, whose `size` is set, with counts of the connection. Members that this library does not
 * know become zero.
 *
 * TW_OK; TW_EINVAL for NULL or a bad size; TW_EHANDLE for a dead id, TW_EFORKED. Any thread, any callback,
 * the connection's own `on_close` included.
 */
TW_API
tw_status tw_get_stats(tw_ws ws,
                       struct tw_stats *stats);

/* Makes a loop; pick one way to drive it: tw_loop_run, tw_loop_poll or tw_loop_start.
 *
 * `options` may be NULL for the defaults. TW_OK and the id in `out`, or TW_EINVAL for a bad
 * argument, TW_EUNSUPPORTED for an option that this library does not know, TW_ENOMEM when the
 * system gave no descriptors or 1023 loops exist. Any thread. The id lives until tw_loop_free.
 */
TW_API
tw_status tw_loop_new(const struct tw_loop_opts *options,
                      tw_loop *out,
                      struct tw_error *error);

/* Drives the loop on this thread until tw_loop_stop is called. Callbacks run in here.
 *
 * TW_OK once it was stopped; TW_EHANDLE, TW_EFORKED; TW_EBUSY while another thread drives the loop,
 * TW_EREENTRANT from a callback. Any thread, one at a time.
 */
TW_API tw_status tw_loop_run(tw_loop id);

/* Waits for something to do, for `timeout_ms` at most, and does it once. Callbacks run in here. 0
 * never waits, a negative timeout waits as long as it takes. May return early.
 *
 * TW_OK, also when nothing happened; TW_EHANDLE, TW_EFORKED; TW_EBUSY while another thread drives
 * the loop, TW_EREENTRANT from a callback. Any thread, one at a time.
 */
TW_API tw_status tw_loop_poll(tw_loop id, int timeout_ms);

/* Has a thread of the library drive the loop until tw_loop_stop or tw_loop_free. The thread is
 * named `tw-loop` and blocks all signals; callbacks run on it.
 *
 * TW_OK; TW_EHANDLE, TW_EFORKED; TW_EBUSY while the loop is driven or being freed; TW_ENOMEM without a
 * thread. Any thread.
 */
TW_API
tw_status tw_loop_start(tw_loop id);

/* Stores the loop's pollable descriptor (POSIX) in `out`.
 *
 * It is readable exactly while tw_loop_poll with timeout 0 has work, timers included, and never
 * changes. Register it once, for reading, level-triggered. The loop owns it: do not read or close
 * it. Ask for it before the first connection if you can.
 *
 * TW_OK; TW_EHANDLE, TW_EFORKED; TW_EINVAL if `out` is NULL; TW_EREENTRANT if the first call for this
 * loop comes from a callback; TW_ESHUTDOWN while the loop is being freed. Any thread. While another thread
 * drives the loop the first call waits for the end of that turn, so hold no lock that a callback takes.
 */
TW_API
tw_status tw_loop_fd(tw_loop id,
                     intptr_t *out);

/* Has `function` called with `user` when tw_loop_poll with timeout 0 has work, once until that poll was
 * made: for hosts that can watch no descriptor but can be poked, by `uv_async_send`, `PostMessage`, a
 * condition variable. The loop needs TW_LOOP_WAITER. NULL takes the function back.
 *
 * It is called on the thread of the library that waits (`tw-wait`), or inside this call if there is work
 * already, and may do nothing but poke: of tightwire only tw_post, tw_loop_stop and the calls on a
 * connection that do not wait, tw_send among them.
 *
 * TW_OK; TW_ESTATE without TW_LOOP_WAITER; TW_EHANDLE, TW_EFORKED. Any thread. What `user` points at has
 * to live until the function was taken back or the loop is freed.
 */
TW_API
tw_status tw_loop_on_ready(tw_loop id,
                           void (*function)(void *user),
                           void *user);

/* Makes the tw_loop_run or tw_loop_poll that is in progress return after its turn, else the next
 * one at once. Ends the loop's own thread. Connections stay as they are.
 *
 * TW_OK; TW_EHANDLE, TW_EFORKED. Any thread, any callback, and any signal handler: it takes no lock,
 * allocates nothing and leaves `errno` alone.
 */
TW_API tw_status tw_loop_stop(tw_loop id);

/* Ends a loop: stops listening, closes every connection with 1001, turns for up to `grace_ms`,
 * aborts what is left, delivers every `on_close`, joins the loop's own thread and frees everything.
 * Callbacks run in here, or on the loop's own thread if it has one. The id is dead
 * when this returns, and with it those of everything in the loop.
 *
 * TW_OK; TW_EHANDLE, also for a second call; TW_EBUSY while another thread is in tw_loop_run or
 * tw_loop_poll; TW_EREENTRANT from a callback: use tw_loop_stop there. Any thread.
 *
 * In a forked child it closes the child's copies of the loop's descriptors, sends nothing and calls nothing,
 * whatever threads of the parent were doing, and after a fork inside a callback, too; the memory of the loop
 * stays. A descriptor that another thread was just opening or closing when the child was made may stay open.
 */
TW_API
tw_status tw_loop_free(tw_loop id,
                       uint32_t grace_ms);

/* Has `function` called with `user` by the thread that drives the loop, once and soon, in a turn
 * after this call. Functions run in the order of their posts. What waits when the loop is freed is
 * called by tw_loop_free.
 *
 * TW_OK; TW_EHANDLE, TW_EFORKED; TW_EINVAL if `function` is NULL; TW_ESHUTDOWN when the loop is being
 * freed. Any thread, any callback. What `user` points at has to live until the function was called.
 */
TW_API tw_status tw_post(tw_loop id, void (*function)(void *user), void *user);

/* Accepts a client that `on_request` told of, there or later (RFC 6455 section 4.2.2). `on_open` follows,
 * in a later turn unless this is called from `on_request`.
 *
 * `protocol` is one of the subprotocols that the client offers, empty for none, or NULL for the one that
 * `protocols` of the server's options prefers. `headers` are fields to add to the answer, `Name: value`
 * each, NULL-ended; or NULL. `events` are called for this connection, with `user`, instead of the
 * server's; NULL: the server's, with its `user`.
 *
 * TW_OK; TW_EINVAL for a protocol that the client did not offer or a header that cannot be sent, and then
 * nothing was answered, nor for bad `events` (TW_EINVAL, TW_EUNSUPPORTED); TW_ESTATE if it was answered
 * before, or never asked; TW_EHANDLE for a dead id, as when the client is gone, TW_EFORKED; TW_EREENTRANT from
 * `on_log` and the function of tw_loop_on_ready; TW_ESHUTDOWN while the loop is being freed. Any thread, any
 * callback. While another thread drives the loop it waits for the end of that turn, so hold no lock that a
 * callback takes. What `events` points at may go when this returns. What `user` points at has to live until
 * `on_close` of the connection.
 */
TW_API
tw_status tw_accept(tw_ws ws,
                    const char *protocol,
                    const char *const *headers,
                    const struct tw_events *events,
                    void *user);

/* Refuses a client that `on_request` told of, there or later, with an HTTP status from 300 to 599 (RFC
 * 6455 section 4.2.2). `on_close` follows when the answer is out.
 *
 * `headers` are fields of the answer, `Name: value` each, NULL-ended; or NULL. `body` is text of `len`
 * bytes, of the type text/plain unless `headers` say otherwise.
 *
 * TW_OK; TW_EINVAL for another status, a header that cannot be sent, or NULL with a length, TW_EUTF8 for a
 * body that is not UTF-8, and then nothing was answered; TW_ESTATE if it was answered before, or never
 * asked; TW_EHANDLE for a dead id, TW_EFORKED; TW_EREENTRANT from `on_log` and the function of
 * tw_loop_on_ready; TW_ESHUTDOWN while the loop is being freed. Any thread, any callback. While another
 * thread drives the loop it waits for the end of that turn, so hold no lock that a callback takes.
 */
TW_API
tw_status tw_reject(tw_ws ws,
                    int http_status,
                    const char *const *headers,
                    const void *body,
                    size_t len);

/* Queues one whole message (RFC 6455 section 5.6) and returns at once. `flags` is TW_TEXT or
 * TW_BINARY, with TW_NODEFLATE or TW_DEFLATE if you like: without either, `deflate_threshold` decides, and what
 * compression would make larger goes as it is.
 *
 * In parts (RFC 6455 section 5.4): TW_TEXT or TW_BINARY with TW_MORE begins a message, TW_MORE alone
 * continues it, and 0 ends it, as the frames on the wire do. Text may be cut within a character. Until
 * the end whole messages, on whatever threads, get TW_EBUSY; tw_ping and tw_close do not wait. TW_NODEFLATE or
 * TW_DEFLATE go with the first part and decide about the whole; without either it is compressed, whatever its size.
 *
 * TW_OK: the library has a copy of all of it. Anything else: nothing of it was taken. TW_EAGAIN when
 * `max_buffered` payload bytes are queued: wait for `on_drain`; TW_ESTATE while connecting or closing,
 * and for a part without a beginning; TW_EBUSY amid a message in parts; TW_EHANDLE for a dead id, TW_EFORKED;
 * TW_EUTF8 for text that is not UTF-8; TW_EINVAL for other flags, or NULL with a length. There is no
 * length that is too long by itself. Any thread, any callback; a send that returned before another one began, on whatever threads, goes out first. No
 * callback runs inside.
 */
TW_API
tw_status tw_send(tw_ws ws,
                  uint32_t flags,
                  const void *data,
                  size_t len);

/* As tw_send, for the bytes of a buffer, which are not copied where that can be avoided: on the way
 * to the loop's thread. TW_OK takes one reference; anything else takes none. Do not write to the
 * buffer before the last reference is yours.
 *
 * TW_OK and the rest as for tw_send, TW_EFORKED among them, and TW_EINVAL for NULL. Any thread, any callback.
 */
TW_API
tw_status tw_send_buf(tw_ws ws,
                      uint32_t flags,
                      struct tw_buf *buffer);

/* Sends a ping with up to 125 bytes (RFC 6455 section 5.5.2); `on_pong` tells of the answer. Pings of
 * the keep-alive (`ping_interval_ms`) need no call.
 *
 * TW_OK; TW_ETOOBIG over 125 bytes; TW_ESTATE unless the connection is open; TW_EHANDLE for a dead id,
 * TW_EFORKED; TW_EINVAL for NULL with a length. Any thread, any callback.
 */
TW_API
tw_status tw_ping(tw_ws ws,
                  const void *data,
                  size_t len);

/* Starts to listen (RFC 6455 section 4.2). Every accepted connection has an id of its own, which
 * `on_open` brings.
 *
 * TW_OK and the id in `out`. TW_EINVAL for an argument, which `error` names; TW_ECONNECT if the address
 * cannot be listened on; TW_EUNSUPPORTED for an option that this library does not know; TW_EHANDLE for a dead
 * `loop` or `tls`, TW_EFORKED; TW_EREENTRANT from `on_log` and the function of tw_loop_on_ready; TW_ESHUTDOWN
 * while the loop is being freed; TW_ENOMEM with 16777216 servers.
 *
 * Any thread, any callback. While another thread drives the loop it waits for the end of that turn, so
 * hold no lock that a callback takes; callbacks may come before this returns.
 *
 * The id lives until tw_server_close, or until the loop is freed. What `options` points at may go when
 * this returns. What its `user` points at has to live until the server is closed and each of its
 * connections has had its `on_close`.
 */
TW_API
tw_status tw_listen(tw_loop id,
                    const struct tw_server_opts *options,
                    tw_server *out,
                    struct tw_error *error);

/* Stores the port that a server listens on in `out`.
 *
 * TW_OK; TW_EINVAL if `out` is NULL; TW_EHANDLE for a dead id, TW_EFORKED. Any thread, any callback.
 */
TW_API tw_status tw_server_port(tw_server server, uint16_t *out);

/* Gives a server of `wss://` another certificate, key and rules for clients, for instance since the
 * certificate was renewed. Connections that it accepts from now on use them; those that are open, or in
 * their handshake, go on undisturbed. Other servers with the same configuration keep it.
 *
 * TW_OK; TW_EINVAL if `tls` has no certificate and key, or the server is one of `ws://`; TW_EHANDLE for
 * a dead id of either, TW_EFORKED; TW_EUNSUPPORTED from a library that is built without TLS. Any thread, any
 * callback; it waits for nobody.
 */
TW_API
tw_status tw_server_set_tls(tw_server server,
                            tw_tls tls);

/* Queues one message, as tw_send does, on every connection of a server that is open; where a message in parts is
 * under way, behind its end. Those with `max_buffered` payload bytes queued do not get it. `count`, unless it is
 * NULL, receives how many do.
 *
 * TW_OK; TW_EINVAL and TW_EUTF8 as for tw_send, and TW_EINVAL for a part of a message; TW_EHANDLE for a dead
 * id, TW_EFORKED; TW_EREENTRANT from `on_log` and the function of tw_loop_on_ready; TW_ESHUTDOWN while the
 * loop is being freed. Any thread, any callback. While another thread drives the loop it waits for the end
 * of that turn, so hold no lock that a callback takes.
 */
TW_API
tw_status tw_broadcast(tw_server server,
                       uint32_t flags,
                       const void *data,
                       size_t len,
                       size_t *count);

/* Stops listening. With 0 the server's connections stay; close them as you see fit. Otherwise they are
 * closed with 1001 (RFC 6455 section 7.4.1), those whose request waits for an answer are refused with
 * 503, and what is left after `grace_ms` is aborted; each gets its `on_close`. Nothing is called for the
 * server itself. The id is dead when this returns, which is at once.
 *
 * TW_OK; TW_EHANDLE for a dead id, TW_EFORKED. Any thread, any callback. While another thread drives the loop,
 * and from `on_log` and the function of tw_loop_on_ready, the socket is closed by the thread that drives it,
 * soon.
 */
TW_API
tw_status tw_server_close(tw_server server,
                          uint32_t grace_ms);

/* The version of the library that runs, `0x00MMmmpp`: major, minor and patch in a byte each.
 *
 * Any thread, any time.
 */
TW_API uint32_t tw_version(void);

/* A short English text for a status. Never NULL. The text is valid for ever.
 *
 * Any thread, any time. The text in `tw_error` says more where there is one.
 */
TW_API const char *tw_strerror(tw_status status);

/* Has `function` called with `user` by the thread that drives the loop, after `after_ms` and, unless
 * `every_ms` is 0, again every `every_ms`. A loop that is late calls it once for all that it missed.
 *
 * TW_OK and the id in `out`, which may be NULL. The id of a timer that is not repeated dies with its
 * call, any other with tw_timer_stop; all die with the loop, and then nothing is called. What `user`
 * points at has to live as long. TW_EINVAL if `function` is NULL; TW_EHANDLE, TW_EFORKED; TW_EREENTRANT from
 * `on_log` and the function of tw_loop_on_ready; TW_ESHUTDOWN while the loop is being freed; TW_ENOMEM with
 * 16777216 timers. Any thread, any callback. While another thread drives the loop it waits for the end of
 * that turn, so hold no lock that a callback takes.
 */
TW_API
tw_status tw_timer_start(tw_loop id,
                         uint32_t after_ms,
                         uint32_t every_ms,
                         void (*function)(void *user),
                         void *user,
                         tw_timer *out);

/* Forgets a timer, also from within its own function. From the loop's thread its function is not called
 * any more when this returns; from another thread neither, since a call that is running is waited for.
 *
 * TW_OK; TW_EHANDLE for a dead id, TW_EFORKED; TW_EREENTRANT from `on_log` and the function of
 * tw_loop_on_ready; TW_ESHUTDOWN while the loop is being freed. Any thread, any callback; hold no lock that a
 * callback takes.
 */
TW_API
tw_status tw_timer_stop(tw_timer timer);

/* Makes a TLS configuration for any number of connections and servers, of any loop. It never changes.
 *
 * TW_OK and the id in `out`. TW_EINVAL for an argument that makes no sense, and TW_ETLS for a file or text
 * that cannot be read or is not what it should be; `error` names it. TW_EUNSUPPORTED for an option that
 * this library does not know, and from a library that is built without TLS. Any thread; may take some
 * milliseconds. The id lives until tw_tls_free; connections and servers that use it keep the configuration.
 */
TW_API
tw_status tw_tls_new(const struct tw_tls_opts *options,
                     tw_tls *out,
                     struct tw_error *error);

/* Forgets the id. Connections and servers that use the configuration keep it as long as they live.
 *
 * TW_OK, or TW_EHANDLE for a dead id. Any thread, any time.
 */
TW_API tw_status tw_tls_free(tw_tls tls);

#ifdef __cplusplus
}
#endif
#endif
