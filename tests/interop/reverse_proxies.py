"""nginx and haproxy in front of a server of this machine."""

from proxies import Process, free_port

# Where nobody listens behind a proxy.
DEAD = "/dead"


def nginx(folder, backend, certificates=None, patience=60):
    """`certificates`: TLS ends at the proxy. `patience`: seconds of silence before it gives up."""
    port = free_port()
    tls = ""
    if certificates:
        cert, key = certificates.good
        tls = f"ssl_certificate {cert}; ssl_certificate_key {key};"
    temporary = "".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "conf").write_text(f"""
daemon off;
pid {folder}/pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    {temporary}
    proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $http_connection;
    proxy_set_header Host $http_host;
    proxy_read_timeout {patience}s;
    server {{
        listen 127.0.0.1:{port}{" ssl" if tls else ""};
        {tls}
        location / {{ proxy_pass http://127.0.0.1:{backend}; }}
        location {DEAD} {{ proxy_pass http://127.0.0.1:1; }}
    }}
}}
""")
    return Process(folder, port, ["nginx", "-e", "stderr", "-p", folder, "-c", folder / "conf"])


def haproxy(folder, backend, certificates=None, patience=60):
    port = free_port()
    tls = ""
    if certificates:
        both = folder / "both.pem"
        both.write_text("".join(path.read_text() for path in certificates.good))
        tls = f" ssl crt {both}"
    (folder / "conf").write_text(f"""
global
    maxconn 100
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout tunnel {patience}s
frontend here
    bind 127.0.0.1:{port}{tls}
    use_backend dead if {{ path {DEAD} }}
    default_backend alive
backend alive
    server one 127.0.0.1:{backend}
backend dead
    server one 127.0.0.1:1
""")
    return Process(folder, port, ["haproxy", "-db", "-f", folder / "conf"])


FRONTS = {"nginx": (nginx, 502), "haproxy": (haproxy, 503)}
