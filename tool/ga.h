/* SPDX-License-Identifier: MIT */
#ifndef TOOL_GA_H
#define TOOL_GA_H

#include "verb.h"

/* What the verbs for guest agents share, and all of them. */

extern const struct verb verb_ga_call, verb_ga_cat, verb_ga_exec, verb_ga_freeze, verb_ga_info, verb_ga_ping,
    verb_ga_put, verb_ga_shutdown, verb_ga_thaw;

/* The agent's address, from the options or the environment; NULL, with a complaint, when there is none. */
const char *ga_address(const struct options *o);

/* A client for the agent, not connected yet. It is the caller's. */
enum outcome ga_prepare(const struct options *o, qmp_client **ret);

/* Connects it once, until the agent has answered. Returns 0 or the error. */
int ga_connect(const struct options *o, qmp_client *c);

/* Both, and waits for a socket that is not there yet as long as --wait-for-socket says. */
enum outcome ga_open(const struct options *o, qmp_client **ret);

/* Says why ga_connect() failed, and which outcome that is. */
enum outcome ga_connect_failed(const struct options *o, qmp_client *c, int error);

/* As ask(): until --timeout passes, or, without one, for as long as an agent gets at most. `*ret` is NULL when success
 * is silent. */
enum outcome ga_ask(
    const struct options *o, qmp_client *c, const char *command, const char *arguments, qmp_message **ret);

/* Says that an answer is none that the command has; `what` is wrong with it. */
enum outcome ga_senseless(const char *command, const char *what);

/* A member of an answer: a whole number, a truth (false when absent), bytes that travelled as base64 (none
 * when absent; the caller's to free()). */
enum outcome ga_number(const char *command, qmp_value v, const char *member, int64_t *ret);
enum outcome ga_truth(const char *command, qmp_value v, const char *member, bool *ret);
enum outcome ga_bytes(const char *command, qmp_value v, const char *member, char **ret, size_t *ret_size);

/* Refuses words behind those that a verb takes. */
enum outcome ga_words_check(const char *const *words, size_t n, size_t max);

/* Whether to print for people: standard output is a terminal, and nothing was said about JSON. */
bool ga_is_for_people(const struct options *o);

#endif
