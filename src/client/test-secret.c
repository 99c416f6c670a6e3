/* SPDX-License-Identifier: MIT */
/* Secrets in messages, row by row: what is found, and that nothing else is. */

#include "client/secret.h"

#include <stdio.h>
#include <string.h>

#include "check.h"
#include "util/util.h"

#define TEXT_MAX 512

/* In both, ' stands for ". The message is read where its memory ends. */
static const struct row {
    const char *message, *masked;
} rows[] = {
    {"{'execute':'set_password','arguments':{'protocol':'vnc','password':'x'},'id':1}",
        "{'execute':'set_password','arguments':{'protocol':'vnc','password':#},'id':1}"},
    {"{'execute':'set_password','arguments':{ 'password' : 'a\\'}, \\\\' , 'connected':'keep'}}",
        "{'execute':'set_password','arguments':{ 'password' : # , 'connected':'keep'}}"},
    {"{'execute':'guest-set-user-password','arguments':{'pass\\u0077ord':'eA=='}}",
        "{'execute':'guest-set-user-password','arguments':{'pass\\u0077ord':#}}"},
    {"{'execute':'blockdev-add','arguments':{'file':{'cookie':'a=b','password-secret':'s0'}}}",
        "{'execute':'blockdev-add','arguments':{'file':{'cookie':#,'password-secret':'s0'}}}"},
    {"{'execute':'sev-inject-launch-secret','arguments':{'packet-header':'h','secret':'x','gpa':1}}",
        "{'execute':'sev-inject-launch-secret','arguments':{'packet-header':'h','secret':#,'gpa':1}}"},
    /* What else an object of that name may be. */
    {"{'a':{'password':{'x':['}',1],'y':{}},'b':2},'c':['password',{'passwd':12}],'secret':null}",
        "{'a':{'password':#,'b':2},'c':['password',{'passwd':#}],'secret':#}"},
    /* What the command's other arguments tell. */
    {"{'execute':'object-add','arguments':{'qom-type':'secret','id':'s','data':'x','format':'raw'}}",
        "{'execute':'object-add','arguments':{'qom-type':'secret','id':'s','data':#,'format':'raw'}}"},
    {"{'execute':'object-add','arguments':{'data':'x','qom-type':'s\\u0065cret'}}",
        "{'execute':'object-add','arguments':{'data':#,'qom-type':'s\\u0065cret'}}"},
    {"{'execute':'object-add','arguments':{'qom-type':'secret','id':'s','props':{'data':'x'}}}",
        "{'execute':'object-add','arguments':{'qom-type':'secret','id':'s','props':{'data':#}}}"},
    {"{'execute':'qom-set','arguments':{'path':'/objects/s','property':'data','value':'x'}}",
        "{'execute':'qom-set','arguments':{'path':'/objects/s','property':'data','value':#}}"},
    {"{'execute':'qom-set','arguments':{'path':'/a','property':'password','value':{'a':1}}}",
        "{'execute':'qom-set','arguments':{'path':'/a','property':'password','value':#}}"},
    {"{'execute':'human-monitor-command','arguments':{'command-line':'set_PASSWORD vnc x'}}",
        "{'execute':'human-monitor-command','arguments':{'command-line':#}}"},
    {"{'execute':'human-monitor-command','arguments':{'command-line':'object_add secret,id=s,data=x'}}",
        "{'execute':'human-monitor-command','arguments':{'command-line':#}}"},
    {"{'execute':'human-monitor-command','arguments':{'command-line':'set_p\\u0061ssword vnc x'}}",
        "{'execute':'human-monitor-command','arguments':{'command-line':#}}"},
    {"{'return':[{'password':'x'},{'data':'y'}],'id':1}", "{'return':[{'password':#},{'data':'y'}],'id':1}"},
    {"{'event':'E','data':{'secret':'x','data':{'data':1}}}", "{'event':'E','data':{'secret':#,'data':{'data':1}}}"},
    /* No secrets. */
    {"{'execute':'human-monitor-command','arguments':{'command-line':'info name'}}", NULL},
    {"{'execute':'object-add','arguments':{'qom-type':'iothread','id':'secret','data':'x'}}", NULL},
    {"{'execute':'qom-set','arguments':{'path':'/a','property':'size','value':1}}", NULL},
    {"{'execute':'password','arguments':{'name':'password'},'id':'secret'}", NULL},
    {"{'event':'E','data':{'Password':'x','password2':'x','':'x'}}", NULL},
    {"{'execute':'stop'}", NULL},
    {"{'execute':'object-add'}", NULL},
    {"['password','x']", NULL},
    {"{}", NULL},
};

static char *quoted(const char *text)
{
    char *copy = strdup(text);

    assert_non_null(copy);
    for (char *p = copy; *p; p++)
        if (*p == '\'')
            *p = '"';
    return copy;
}

static void test_rows(void)
{
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        CLEANUP(qmp_freep) char *text = quoted(rows[i].message);
        CLEANUP(qmp_freep) char *expected = quoted(rows[i].masked ? rows[i].masked : rows[i].message);
        CLEANUP(qmp_freep) char *tight = malloc(strlen(text));
        char masked[TEXT_MAX], *to = masked;
        qmp_value message = {tight, strlen(text)}, secret;
        const char *from = tight;
        struct secrets s;

        assert_non_null(tight);
        memcpy(tight, text, message.size);
        s = secrets_of(message);
        while (secrets_next(&s, &secret)) {
            to += sprintf(to, "%.*s#", (int)(secret.text - from), from);
            from = secret.text + secret.size;
        }
        sprintf(to, "%.*s", (int)(tight + message.size - from), from);
        assert_string_equal(masked, expected);
    }
}

static const struct check_test tests[] = {
    CHECK_TEST(test_rows),
};

int main(int argc, char **argv)
{
    return check_main(argc, argv, tests, ELEMENTS(tests));
}
