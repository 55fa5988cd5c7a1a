"""Reverse proxies that we did not write, each on a port of this machine and in front of another one.

With `files`, a certificate and its key, TLS ends at the proxy. `idle` is for how many seconds it lets
a connection be silent.
"""

from proxies import Process, free_port


def nginx(folder, backend, files=None, idle=60):
    port = free_port()
    tls = f"ssl_certificate {files[0]}; ssl_certificate_key {files[1]};" if files else ""
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "\n".join(f"  {kind}_temp_path {kind};" for kind in kinds)
    # Its workers would be another user, who cannot get into pytest's folders.
    (folder / "conf").write_text(f"""
user root;
pid pid;
error_log error.log;
events {{ }}
http {{
  access_log off;
{temporary}
  server {{
    listen 127.0.0.1:{port}{" ssl" if files else ""};
    {tls}
    location / {{
      proxy_pass http://127.0.0.1:{backend};
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection "upgrade";
      proxy_read_timeout {idle}s;
    }}
  }}
}}
""")
    command = ["nginx", "-p", folder, "-c", "conf", "-e", "error.log", "-g", "daemon off;"]
    return Process(folder, port, command)


def haproxy(folder, backend, files=None, idle=60):
    port = free_port()
    if files:
        # It wants both in one file.
        (folder / "both.pem").write_bytes(b"".join(path.read_bytes() for path in files))
    (folder / "conf").write_text(f"""
defaults
  mode http
  retries 0
  timeout connect 30s
  timeout client 60s
  timeout server 60s
  timeout tunnel {idle}s
frontend front
  bind 127.0.0.1:{port}{" ssl crt both.pem" if files else ""}
  default_backend back
backend back
  server one 127.0.0.1:{backend}
""")
    return Process(folder, port, ["haproxy", "-db", "-f", "conf"])
