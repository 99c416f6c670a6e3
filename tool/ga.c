/* SPDX-License-Identifier: MIT */

/* The family ga: the guest agent, qemu-ga, which is not QEMU but a program inside the virtual machine.
 *
 * It has a socket of its own, so it has an environment variable of its own: a monitor's address is never taken for an
 * agent's. Everything that an agent says is the guest's word. The library bounds its size and depth; here its time is
 * bounded, and its sense is checked: an answer that does not fit its command ends the verb.
 *
 * It knows nothing of what the verbs of the family do. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "base64.h"
#include "complain.h"
#include "connect.h"
#include "duration.h"
#include "ga.h"
#include "names.h"
#include "output.h"

/* How long to look whether what does not answer is a monitor, which would greet at once. */
#define GREETING_TIME (1 * QMP_SECOND)

const char *ga_address(const struct options *o)
{
    const char *address = o->address != NULL ? o->address : getenv("QMP_AGENT_SOCKET");

    if (address != NULL && *address != '\0')
        return address;
    complain("no address: say where the guest agent's socket is with -s ADDRESS, or set QMP_AGENT_SOCKET");
    return NULL;
}

/* The options with the agent's address in the place where a monitor's is looked for. */
static struct options addressed(const struct options *o)
{
    struct options ret = *o;

    ret.address = ga_address(o);
    return ret;
}

/* Refuses what stands for the monitors of VMs. */
static enum outcome name_check(const struct options *o, const char *address)
{
    __attribute__((cleanup(qmp_freep))) char *monitor = names_is_name(address) ? names_resolve(address) : NULL;

    if ((o->given & OPTION_ALL) == 0 && monitor == NULL)
        return OUTCOME_DONE;
    complain("the name of a VM leads to its monitor, not to its guest agent: say where that one's socket is");
    return OUTCOME_USAGE;
}

enum outcome ga_prepare(const struct options *o, qmp_client **ret)
{
    struct options agents = addressed(o);
    enum outcome outcome = agents.address != NULL ? name_check(o, agents.address) : OUTCOME_USAGE;

    if (outcome == OUTCOME_DONE)
        outcome = connect_prepare(&agents, /* l= */ NULL, ret);
    if (outcome == OUTCOME_DONE)
        qmp_client_set_dialect(*ret, QMP_DIALECT_AGENT);
    return outcome;
}

int ga_connect(const struct options *o, qmp_client *c)
{
    struct options agents = addressed(o);

    return connect_run(&agents, c);
}

/* Whether what listens at the address greets, as monitors do and agents do not. */
static bool is_monitor(const struct options *o)
{
    __attribute__((cleanup(qmp_client_unrefp))) qmp_client *c = NULL;
    uint64_t left = duration_until(o->deadline);
    struct options hasty = addressed(o);

    hasty.wait_for_socket = 0;
    hasty.connect_timeout = left < GREETING_TIME ? left : GREETING_TIME;
    if (left == 0 || connect_prepare(&hasty, /* l= */ NULL, &c) != OUTCOME_DONE)
        return false;
    qmp_client_set_negotiate(c, /* enable= */ false);
    return connect_run(&hasty, c) >= 0;
}

enum outcome ga_connect_failed(const struct options *o, qmp_client *c, int error)
{
    char text[DURATION_TEXT_MAX];

    if (qmp_client_failure_kind(c) != QMP_FAILURE_AGENT)
        return outcome_of_failure(c, error);
    if (is_monitor(o)) {
        complain("%s is a QMP monitor, not a guest agent: the agent has a socket of its own", ga_address(o));
        return OUTCOME_PROTOCOL;
    }
    duration_text(o->timeout < o->connect_timeout ? o->timeout : o->connect_timeout, text);
    complain("no guest agent answers at %s within %s: does qemu-guest-agent run in the guest? "
             "It could also hang, or serve another client",
        ga_address(o), text);
    return OUTCOME_TIMEOUT;
}

enum outcome ga_open(const struct options *o, qmp_client **ret)
{
    __attribute__((cleanup(qmp_client_unrefp))) qmp_client *c = NULL;
    enum outcome outcome = ga_prepare(o, &c);
    int r;

    if (outcome != OUTCOME_DONE)
        return outcome;
    r = ga_connect(o, c);
    if (r < 0)
        return ga_connect_failed(o, c, r);
    *ret = c;
    c = NULL;
    return OUTCOME_DONE;
}

enum outcome ga_ask(
    const struct options *o, qmp_client *c, const char *command, const char *arguments, qmp_message **ret)
{
    struct options bounded = *o;

    if (o->timeout == QMP_FOREVER) {
        bounded.timeout = QMP_AGENT_TIMEOUT;
        bounded.deadline = duration_deadline(QMP_AGENT_TIMEOUT);
    }
    return ask(&bounded, c, command, arguments, ret);
}

enum outcome ga_senseless(const char *command, const char *what)
{
    complain("%s: the guest agent's answer makes no sense: %s", command, what);
    return OUTCOME_PROTOCOL;
}

enum outcome ga_number(const char *command, qmp_value v, const char *member, int64_t *ret)
{
    if (qmp_value_int64(qmp_value_member(v, member), ret) >= 0)
        return OUTCOME_DONE;
    complain("%s: the guest agent's answer makes no sense: '%s' is no whole number", command, member);
    return OUTCOME_PROTOCOL;
}

enum outcome ga_truth(const char *command, qmp_value v, const char *member, bool *ret)
{
    qmp_value truth = qmp_value_member(v, member);

    *ret = false;
    if (qmp_value_type(truth) == QMP_ABSENT || qmp_value_bool(truth, ret) >= 0)
        return OUTCOME_DONE;
    complain("%s: the guest agent's answer makes no sense: '%s' is neither true nor false", command, member);
    return OUTCOME_PROTOCOL;
}

enum outcome ga_bytes(const char *command, qmp_value v, const char *member, char **ret, size_t *ret_size)
{
    __attribute__((cleanup(qmp_freep))) char *text = NULL;
    qmp_value encoded = qmp_value_member(v, member);
    size_t size = 0;
    int r = qmp_value_type(encoded) != QMP_ABSENT ? qmp_value_string(encoded, &text, &size) : 0;

    if (r == -ENOMEM)
        return outcome_of_error(command, r);
    if (r < 0 || (text != NULL && !base64_decode(text, text, size, &size))) {
        complain("%s: the guest agent's answer makes no sense: '%s' is not base64", command, member);
        return OUTCOME_PROTOCOL;
    }
    *ret = text;
    *ret_size = size;
    text = NULL;
    return OUTCOME_DONE;
}

enum outcome ga_words_check(const char *const *words, size_t n, size_t max)
{
    if (n <= max)
        return OUTCOME_DONE;
    complain("'%s' is a word too many", words[max]);
    return OUTCOME_USAGE;
}

bool ga_is_for_people(const struct options *o)
{
    return output_is_terminal() && (o->given & OPTIONS_OUTPUT) == 0;
}

static const struct verb *const family[] = {&verb_ga_ping, &verb_ga_info, &verb_ga_exec, &verb_ga_cat, &verb_ga_put,
    &verb_ga_freeze, &verb_ga_thaw, &verb_ga_shutdown, &verb_ga_call, NULL};

const struct verb verb_ga = {
    .name = "ga",
    .synopsis = "VERB ...",
    .summary = "talk to the guest agent inside a VM",
    .description = "Talks to the QEMU guest agent, which runs inside a virtual machine. Its address\n"
                   "is not the monitor's, but the socket of the serial port that QEMU has for it,\n"
                   "  -chardev socket,id=ga,path=/run/vm7.ga,server=on,wait=off\n"
                   "  -device virtio-serial\n"
                   "  -device virtserialport,chardev=ga,name=org.qemu.guest_agent.0\n"
                   "and is taken from -s, else from $QMP_AGENT_SOCKET, never from $QMP_SOCKET.\n",
    .examples = "  export QMP_AGENT_SOCKET=/run/vm7.ga\n"
                "  qmp ga ping\n"
                "  qmp ga exec -- df -h\n"
                "  qmp ga freeze --run 'lvcreate -s -n snap -L 1G vg/vm7'\n",
    .family = family,
};
