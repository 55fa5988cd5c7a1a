/* An authority, and what it issued: two certificates for localhost and 127.0.0.1, one for other.example
 * and one for a client, each with its key and with the pin of the key as `openssl` computes it. For these
 * tests only: everybody knows the keys. */
#ifndef AUTHORITY_H
#define AUTHORITY_H

static const char authority[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBnTCCAUOgAwIBAgIUI3u/nP6n30gkhCkYOSVxifq2DC8wCgYIKoZIzj0EAwIw\n"
    "IzEhMB8GA1UEAwwYdGlnaHR3aXJlIHRlc3QgYXV0aG9yaXR5MCAXDTI2MTEyMzEz\n"
    "MDkyM1oYDzIxMjYxMDMwMTMwOTIzWjAjMSEwHwYDVQQDDBh0aWdodHdpcmUgdGVz\n"
    "dCBhdXRob3JpdHkwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAR2VgHDOLThUeRa\n"
    "ryghu4z7waT1scffeqoBrHs8jAcXukdaa9Ixo0gLjDuPi0MQMPh/O2gNxKCdfYSb\n"
    "O1Z81MP6o1MwUTAdBgNVHQ4EFgQU3WReTQmUWhDDtWUHkVOGEOS+HdcwHwYDVR0j\n"
    "BBgwFoAU3WReTQmUWhDDtWUHkVOGEOS+HdcwDwYDVR0TAQH/BAUwAwEB/zAKBggq\n"
    "hkjOPQQDAgNIADBFAiEA5tnp4OoaJimJLlbn8/iqycAlaCfXc/OKiMaOvDzvQT0C\n"
    "IFqgKici99AdZkUXsefxmTWvtDP6VxCYhxXxSQeZR0Vw\n"
    "-----END CERTIFICATE-----\n";

static const char first_certificate[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBoDCCAUagAwIBAgIUXn08yufaoV6vLjjvkpKBCRNbhzMwCgYIKoZIzj0EAwIw\n"
    "IzEhMB8GA1UEAwwYdGlnaHR3aXJlIHRlc3QgYXV0aG9yaXR5MCAXDTI2MTEyMzEz\n"
    "MDkyM1oYDzIxMjYxMDMwMTMwOTIzWjAQMQ4wDAYDVQQDDAVmaXJzdDBZMBMGByqG\n"
    "SM49AgEGCCqGSM49AwEHA0IABLJQeCTuDEFfZZXhzGTJkdc2W/fuRwfoePwUwr9v\n"
    "h63/2oSAucvu4TNaNnlcjEuK/tZsLtd241fAIHB3oqiHK6qjaTBnMAkGA1UdEwQC\n"
    "MAAwGgYDVR0RBBMwEYIJbG9jYWxob3N0hwR/AAABMB0GA1UdDgQWBBQbFx9Ufo65\n"
    "v6H05BEK1s7VIycoQjAfBgNVHSMEGDAWgBTdZF5NCZRaEMO1ZQeRU4YQ5L4d1zAK\n"
    "BggqhkjOPQQDAgNIADBFAiEAzAStz6ZcaSS7bIm0KC0joWlrmVenMql71AXhGbYA\n"
    "CvsCIHYRyaKLp8Coyz6O6PnHopGg0o2ZHOTI6tzB98XmS7V3\n"
    "-----END CERTIFICATE-----\n";

static const char first_key[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjEs+tOrbCVTC3iAg\n"
    "DxpGN6BvgZxJnj3VX5dUVkbFcD6hRANCAASyUHgk7gxBX2WV4cxkyZHXNlv37kcH\n"
    "6Hj8FMK/b4et/9qEgLnL7uEzWjZ5XIxLiv7WbC7XduNXwCBwd6Kohyuq\n"
    "-----END PRIVATE KEY-----\n";

static const char first_pin[] = "sha256//BvDbcDyj6lrdxcHmJTlJCAXquN59SmgDTXUjgnHNfTA=";

static const char second_certificate[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBojCCAUegAwIBAgIUXn08yufaoV6vLjjvkpKBCRNbhzQwCgYIKoZIzj0EAwIw\n"
    "IzEhMB8GA1UEAwwYdGlnaHR3aXJlIHRlc3QgYXV0aG9yaXR5MCAXDTI2MTEyMzEz\n"
    "MDkyM1oYDzIxMjYxMDMwMTMwOTIzWjARMQ8wDQYDVQQDDAZzZWNvbmQwWTATBgcq\n"
    "hkjOPQIBBggqhkjOPQMBBwNCAAQbKu/wxDmYV/zcO1jz6HPVc8lUuE49+A0aRCMm\n"
    "5gvHxI420CWxhlV+ib3r/9JoXYdCJ8kauxoJbVijbXJylYhFo2kwZzAJBgNVHRME\n"
    "AjAAMBoGA1UdEQQTMBGCCWxvY2FsaG9zdIcEfwAAATAdBgNVHQ4EFgQUNOCHhJcs\n"
    "Z+26KD2BVG+ulERQyL4wHwYDVR0jBBgwFoAU3WReTQmUWhDDtWUHkVOGEOS+Hdcw\n"
    "CgYIKoZIzj0EAwIDSQAwRgIhAKAZUcWSRnXiF9kV35QRDt4u4lbXuXRUHn0xkQNF\n"
    "adQ3AiEAtblTNgGF8/1Ob347q8TLK+OZAo7bZnTS9xxA6dHizdg=\n"
    "-----END CERTIFICATE-----\n";

static const char second_key[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgZxLL9+h8bb1ZrFdR\n"
    "V2cfP5+ORQB1juzsfqI/OogoDKahRANCAAQbKu/wxDmYV/zcO1jz6HPVc8lUuE49\n"
    "+A0aRCMm5gvHxI420CWxhlV+ib3r/9JoXYdCJ8kauxoJbVijbXJylYhF\n"
    "-----END PRIVATE KEY-----\n";

static const char second_pin[] = "sha256//Fam8o/CNJ33hsz6pZUItpHYuIsqPwPS8s6Crw/5VmVc=";

static const char other_certificate[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBnzCCAUSgAwIBAgIUXn08yufaoV6vLjjvkpKBCRNbhzUwCgYIKoZIzj0EAwIw\n"
    "IzEhMB8GA1UEAwwYdGlnaHR3aXJlIHRlc3QgYXV0aG9yaXR5MCAXDTI2MTEyMzEz\n"
    "MDkyM1oYDzIxMjYxMDMwMTMwOTIzWjAQMQ4wDAYDVQQDDAVvdGhlcjBZMBMGByqG\n"
    "SM49AgEGCCqGSM49AwEHA0IABFWAjN2Nr9K43qE4v1HW0uA8eE08cwlRp/RADbsd\n"
    "8q7cOTAZYtqElXci24+mrltt2tWqmyQyiu1KU9zd1b6ipM6jZzBlMAkGA1UdEwQC\n"
    "MAAwGAYDVR0RBBEwD4INb3RoZXIuZXhhbXBsZTAdBgNVHQ4EFgQUn7Vg2HPZnngo\n"
    "ZmneTXtw1O3+158wHwYDVR0jBBgwFoAU3WReTQmUWhDDtWUHkVOGEOS+HdcwCgYI\n"
    "KoZIzj0EAwIDSQAwRgIhAPh54KgY/rbkDctevHK1DyIvQwWs/JgfVocLo78fiuIq\n"
    "AiEArBG0cWMrxuHVz/c63RkEV3kpVPrsldrdLMOyIFsD8VU=\n"
    "-----END CERTIFICATE-----\n";

static const char other_key[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg3mpZsTynwvISfvdY\n"
    "BiaPIdxpQlrmufSmHgO7AtBETtqhRANCAARVgIzdja/SuN6hOL9R1tLgPHhNPHMJ\n"
    "Uaf0QA27HfKu3DkwGWLahJV3ItuPpq5bbdrVqpskMortSlPc3dW+oqTO\n"
    "-----END PRIVATE KEY-----\n";

static const char other_pin[] = "sha256//D8i+Q4E5idrLx568cnpZAyWiSv0nlMkCPyhwofy37HY=";

static const char client_certificate[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBoDCCAUagAwIBAgIUXn08yufaoV6vLjjvkpKBCRNbhzYwCgYIKoZIzj0EAwIw\n"
    "IzEhMB8GA1UEAwwYdGlnaHR3aXJlIHRlc3QgYXV0aG9yaXR5MCAXDTI2MTEyMzEz\n"
    "MDkyM1oYDzIxMjYxMDMwMTMwOTIzWjARMQ8wDQYDVQQDDAZjbGllbnQwWTATBgcq\n"
    "hkjOPQIBBggqhkjOPQMBBwNCAAS2e6lO2G9hKwbeK+G6ueaD0iURRJkO6UiNPCvk\n"
    "cGBL7nSbX3Fj/pGJSPXK9P+BjyJPhJ6iKRPEkyVPDz0LrEhao2gwZjAJBgNVHRME\n"
    "AjAAMBkGA1UdEQQSMBCCDmNsaWVudC5leGFtcGxlMB0GA1UdDgQWBBTSkqnMkApS\n"
    "9VKyzZW428X3CbQPhzAfBgNVHSMEGDAWgBTdZF5NCZRaEMO1ZQeRU4YQ5L4d1zAK\n"
    "BggqhkjOPQQDAgNIADBFAiEAqAkNfbqZnnJrC5wIsn8sPTZsBpVbrXvrKmfyKeDK\n"
    "7gACIFiCd770ZNaCahG4TCFDjqFM/NOaeBBWOH5oqIvF+dX9\n"
    "-----END CERTIFICATE-----\n";

static const char client_key[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgaRFx5Ok/upMwhYhP\n"
    "xfJLoGs0kcw1J1m5days0oiN3LuhRANCAAS2e6lO2G9hKwbeK+G6ueaD0iURRJkO\n"
    "6UiNPCvkcGBL7nSbX3Fj/pGJSPXK9P+BjyJPhJ6iKRPEkyVPDz0LrEha\n"
    "-----END PRIVATE KEY-----\n";

#endif
