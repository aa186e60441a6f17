/* SPDX-License-Identifier: MIT */
/*
 * run/confine.c: see run/confine.h.
 */
#include "run/confine.h"

#include <cap-ng.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include <berth/error.h>

/* The bounding set can be emptied only by who may; nobody else has use for it. */
static int drop_capabilities(void)
{
    capng_select_t set = CAPNG_SELECT_CAPS;

    if (capng_get_caps_process() < 0) {
        return -1;
    }
    if (capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP)) {
        set = CAPNG_SELECT_BOTH;
    }
    capng_clear(set);
    return capng_apply(set);
}

int confine_privileges(char *message, size_t message_bytes)
{
    if (drop_capabilities() < 0) {
        snprintf(message, message_bytes, "cannot drop capabilities: %s", strerror(errno));
        return BERTH_E_DENIED;
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        snprintf(message, message_bytes, "cannot set no_new_privs: %s", strerror(errno));
        return BERTH_E_DENIED;
    }
    return 0;
}
