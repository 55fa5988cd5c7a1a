/* A self-signed certificate for localhost and 127.0.0.1, and its key. For these tests only: everybody
 * knows the key. */
#ifndef IDENTITY_H
#define IDENTITY_H

static const char test_certificate[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBnDCCAUGgAwIBAgIUFA6uruSY59sHYG8Xz/8IlS9s0SwwCgYIKoZIzj0EAwIw\n"
    "FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMzEwMjExMloYDzIxMjYxMDMw\n"
    "MTAyMTEyWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO\n"
    "PQMBBwNCAATsvhU82xn43MsHTLlxezK1x7Ox1+xXPKAtAJDusyqnNpfJCsnT0CsB\n"
    "abznFaCHOS9cpqsxPm37wThJqsCZ1dPro28wbTAdBgNVHQ4EFgQUTnP9GruqBzkw\n"
    "G2zgVZXRx+nk9Y4wHwYDVR0jBBgwFoAUTnP9GruqBzkwG2zgVZXRx+nk9Y4wDwYD\n"
    "VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI\n"
    "zj0EAwIDSQAwRgIhAKrTViNfhnazFyW45XjBm5ZBwhhCKMI7bhTvz862uwEyAiEA\n"
    "jZG+PrgglXq6vm64xSbPh7JqXB568le9p06NE85W96k=\n"
    "-----END CERTIFICATE-----\n";

static const char test_key[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgfKRWCNQ9ALurglnY\n"
    "zLWQ6b0cKQrzKpC/HZo/d7AndSahRANCAATsvhU82xn43MsHTLlxezK1x7Ox1+xX\n"
    "PKAtAJDusyqnNpfJCsnT0CsBabznFaCHOS9cpqsxPm37wThJqsCZ1dPr\n"
    "-----END PRIVATE KEY-----\n";

#endif
