/* SPDX-License-Identifier: MIT */
#ifndef SRC_TRANSPORT_TLS_LIBRARY_H
#define SRC_TRANSPORT_TLS_LIBRARY_H

#include <stddef.h>

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

/* The ABI that the headers of GnuTLS 3.6 and all later ones of 3 declare. */
#define TLS_LIBRARY "libgnutls.so.30"

/* All that is used of it. */
#define TLS_LIBRARY_SYMBOLS(X)                                                                                         \
    X(gnutls_alert_get)                                                                                                \
    X(gnutls_alert_send)                                                                                               \
    X(gnutls_alert_send_appropriate)                                                                                   \
    X(gnutls_auth_get_type)                                                                                            \
    X(gnutls_bye)                                                                                                      \
    X(gnutls_certificate_allocate_credentials)                                                                         \
    X(gnutls_certificate_client_get_request_status)                                                                    \
    X(gnutls_certificate_free_credentials)                                                                             \
    X(gnutls_certificate_get_peers)                                                                                    \
    X(gnutls_certificate_server_set_request)                                                                           \
    X(gnutls_certificate_set_known_dh_params)                                                                          \
    X(gnutls_certificate_set_x509_crl)                                                                                 \
    X(gnutls_certificate_set_x509_key)                                                                                 \
    X(gnutls_certificate_set_x509_trust)                                                                               \
    X(gnutls_certificate_verify_peers3)                                                                                \
    X(gnutls_credentials_set)                                                                                          \
    X(gnutls_deinit)                                                                                                   \
    X(gnutls_free)                                                                                                     \
    X(gnutls_handshake)                                                                                                \
    X(gnutls_init)                                                                                                     \
    X(gnutls_malloc)                                                                                                   \
    X(gnutls_memset)                                                                                                   \
    X(gnutls_priority_deinit)                                                                                          \
    X(gnutls_priority_init)                                                                                            \
    X(gnutls_priority_set)                                                                                             \
    X(gnutls_psk_allocate_client_credentials)                                                                          \
    X(gnutls_psk_allocate_server_credentials)                                                                          \
    X(gnutls_psk_free_client_credentials)                                                                              \
    X(gnutls_psk_free_server_credentials)                                                                              \
    X(gnutls_psk_set_client_credentials)                                                                               \
    X(gnutls_psk_set_server_credentials_function2)                                                                     \
    X(gnutls_psk_set_server_known_dh_params)                                                                           \
    X(gnutls_record_check_pending)                                                                                     \
    X(gnutls_record_recv)                                                                                              \
    X(gnutls_record_send)                                                                                              \
    X(gnutls_server_name_set)                                                                                          \
    X(gnutls_session_get_ptr)                                                                                          \
    X(gnutls_session_set_ptr)                                                                                          \
    X(gnutls_session_set_verify_function)                                                                              \
    X(gnutls_strerror)                                                                                                 \
    X(gnutls_transport_set_errno)                                                                                      \
    X(gnutls_transport_set_ptr)                                                                                        \
    X(gnutls_transport_set_pull_function)                                                                              \
    X(gnutls_transport_set_vec_push_function)                                                                          \
    X(gnutls_x509_crl_deinit)                                                                                          \
    X(gnutls_x509_crl_list_import2)                                                                                    \
    X(gnutls_x509_crl_verify)                                                                                          \
    X(gnutls_x509_crt_deinit)                                                                                          \
    X(gnutls_x509_crt_get_activation_time)                                                                             \
    X(gnutls_x509_crt_get_basic_constraints)                                                                           \
    X(gnutls_x509_crt_get_dn_by_oid)                                                                                   \
    X(gnutls_x509_crt_get_expiration_time)                                                                             \
    X(gnutls_x509_crt_get_key_purpose_oid)                                                                             \
    X(gnutls_x509_crt_get_subject_alt_name)                                                                            \
    X(gnutls_x509_crt_import)                                                                                          \
    X(gnutls_x509_crt_init)                                                                                            \
    X(gnutls_x509_crt_list_import2)                                                                                    \
    X(gnutls_x509_crt_list_verify)                                                                                     \
    X(gnutls_x509_privkey_deinit)                                                                                      \
    X(gnutls_x509_privkey_import2)                                                                                     \
    X(gnutls_x509_privkey_init)

/* gnutls_init() of the library is called sym_gnutls_init(), and so on. gnutls_malloc and gnutls_free are variables
 * there, which hold functions: (*sym_gnutls_malloc)(). Good once tls_library_load() has returned 0. */
#define TLS_LIBRARY_DECLARE(name) extern __typeof__(name) *sym_##name;
TLS_LIBRARY_SYMBOLS(TLS_LIBRARY_DECLARE)

/* Loads the library of this name, TLS_LIBRARY but for tests, unless one is loaded already. Thread-safe. Returns 0;
 * -EOPNOTSUPP with *why when it is not there, or lacks something: then nothing has changed, and a later call tries
 * again. */
int tls_library_load(const char *name, char *why, size_t why_size);

#endif
