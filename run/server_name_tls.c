/* SPDX-License-Identifier: MIT */
/*
 * run/server_name_tls.c: see run/server_name.h: the server name of a ClientHello (RFC 8446 4.1.2),
 * byte by byte: records (5.1), whose bounds mean nothing, and in them one handshake message. With
 * an encrypted ClientHello it is the outer one's that is seen.
 */
#include "run/server_name.h"

enum {
    RECORD_CHANGE_CIPHER_SPEC = 20,
    RECORD_HANDSHAKE = 22,
    RECORD_HEARTBEAT = 24,
    RECORD_HEADER_BYTES = 5,
    RECORD_BYTES_MAX = (1 << 14) + 2048, /* RFC 5246 6.2.3 */
    CLIENT_HELLO = 1,
    FIXED_BYTES = 2 + 32, /* version and random */
    EXTENSION_SERVER_NAME = 0,
    NAME_IS_HOST = 0,
};

enum step {
    STEP_TYPE,
    STEP_LENGTH,
    STEP_SESSION,
    STEP_CIPHERS,
    STEP_COMPRESSION,
    STEP_EXTENSIONS,
    STEP_EXTENSION_TYPE,
    STEP_EXTENSION,
    STEP_OTHER_EXTENSION,
    STEP_LIST,
    STEP_NAME_TYPE,
    STEP_NAME,
    STEP_OTHER_NAME,
    STEP_TEXT,
};

static const uint8_t number_bytes[] = {
    [STEP_TYPE] = 1,           [STEP_LENGTH] = 3,      [STEP_SESSION] = 1,
    [STEP_CIPHERS] = 2,        [STEP_COMPRESSION] = 1, [STEP_EXTENSIONS] = 2,
    [STEP_EXTENSION_TYPE] = 2, [STEP_EXTENSION] = 2,   [STEP_OTHER_EXTENSION] = 2,
    [STEP_LIST] = 2,           [STEP_NAME_TYPE] = 1,   [STEP_NAME] = 2,
    [STEP_OTHER_NAME] = 2,     [STEP_TEXT] = 0,
};

static enum server_name_verdict go(struct server_name_tls *tls, enum step step)
{
    tls->step = (uint8_t)step;
    tls->need = number_bytes[step];
    tls->value = 0;
    return SERVER_NAME_MORE;
}

void server_name_tls_begin(struct server_name *name)
{
    name->tls = (struct server_name_tls){.message_end = 4};
    (void)go(&name->tls, STEP_TYPE);
}

bool server_name_tls_is_first(uint8_t byte)
{
    return byte >= RECORD_CHANGE_CIPHER_SPEC && byte <= RECORD_HEARTBEAT;
}

/* A part of BYTES begins here: false: it would end behind END, inside which it is. */
static bool bound(const struct server_name_tls *tls, uint32_t bytes, uint32_t end, uint32_t *out)
{
    *out = tls->at + bytes;
    return *out <= end;
}

static enum server_name_verdict skip(struct server_name_tls *tls, uint32_t bytes, uint32_t end,
                                     enum step step)
{
    return bound(tls, bytes, end, &tls->skip_to) ? go(tls, step) : SERVER_NAME_BAD;
}

/* At the begin of an extension, of a name: or at the end of all of them. */
static enum server_name_verdict go_on(struct server_name *name)
{
    struct server_name_tls *tls = &name->tls;

    return tls->at >= tls->extensions_end ? server_name_decide(name) : go(tls, STEP_EXTENSION_TYPE);
}

static enum server_name_verdict go_on_list(struct server_name *name)
{
    struct server_name_tls *tls = &name->tls;

    if (tls->at < tls->list_end) {
        return go(tls, STEP_NAME_TYPE);
    }
    return tls->list_end == tls->extension_end ? go_on(name) : SERVER_NAME_BAD;
}

/* The lists of the message that come before its extensions. VALUE: how many bytes. */
static enum server_name_verdict on_early_number(struct server_name *name, uint32_t value)
{
    struct server_name_tls *tls = &name->tls;

    switch ((enum step)tls->step) {
    case STEP_TYPE:
        return value == CLIENT_HELLO ? go(tls, STEP_LENGTH) : SERVER_NAME_NONE;
    case STEP_LENGTH:
        tls->message_end = tls->at + value;
        return skip(tls, FIXED_BYTES, tls->message_end, STEP_SESSION);
    case STEP_SESSION:
        return skip(tls, value, tls->message_end, STEP_CIPHERS);
    case STEP_CIPHERS:
        return skip(tls, value, tls->message_end, STEP_COMPRESSION);
    default:
        return skip(tls, value, tls->message_end, STEP_EXTENSIONS);
    }
}

static enum server_name_verdict on_extension(struct server_name *name, uint32_t value)
{
    struct server_name_tls *tls = &name->tls;

    switch ((enum step)tls->step) {
    case STEP_EXTENSIONS:
        return bound(tls, value, tls->message_end, &tls->extensions_end) ? go_on(name)
                                                                         : SERVER_NAME_BAD;
    case STEP_EXTENSION_TYPE:
        return go(tls, value == EXTENSION_SERVER_NAME ? STEP_EXTENSION : STEP_OTHER_EXTENSION);
    case STEP_EXTENSION:
        if (!bound(tls, value, tls->extensions_end, &tls->extension_end)) {
            return SERVER_NAME_BAD;
        }
        return value == 0 ? go_on(name) : go(tls, STEP_LIST);
    default:
        return skip(tls, value, tls->extensions_end, STEP_EXTENSION_TYPE);
    }
}

static enum server_name_verdict on_name(struct server_name *name, uint32_t value)
{
    struct server_name_tls *tls = &name->tls;

    switch ((enum step)tls->step) {
    case STEP_LIST:
        return bound(tls, value, tls->extension_end, &tls->list_end) ? go_on_list(name)
                                                                     : SERVER_NAME_BAD;
    case STEP_NAME_TYPE:
        return go(tls, value == NAME_IS_HOST ? STEP_NAME : STEP_OTHER_NAME);
    case STEP_NAME:
        if (!bound(tls, value, tls->list_end, &tls->name_end) || value == 0) {
            return SERVER_NAME_BAD;
        }
        name->text_bytes = 0;
        return go(tls, STEP_TEXT);
    default:
        return skip(tls, value, tls->list_end, STEP_NAME_TYPE);
    }
}

static enum server_name_verdict on_text(struct server_name *name, uint8_t byte)
{
    if (!server_name_text_add(name, byte)) {
        return SERVER_NAME_BAD;
    }
    if (name->tls.at < name->tls.name_end) {
        return SERVER_NAME_MORE;
    }
    return server_name_text_is_host(name) ? go_on_list(name) : SERVER_NAME_BAD;
}

/* What was skipped is over: extensions and names may be, too. */
static enum server_name_verdict on_skipped(struct server_name *name)
{
    switch ((enum step)name->tls.step) {
    case STEP_EXTENSION_TYPE:
        return go_on(name);
    case STEP_NAME_TYPE:
        return go_on_list(name);
    case STEP_EXTENSIONS: /* RFC 8446 4.1.2: there may be none at all */
        return name->tls.at == name->tls.message_end ? SERVER_NAME_NONE : SERVER_NAME_MORE;
    default:
        return SERVER_NAME_MORE;
    }
}

static enum server_name_verdict take_number(struct server_name *name, uint8_t byte)
{
    struct server_name_tls *tls = &name->tls;
    uint32_t skip_to = tls->skip_to;
    enum server_name_verdict verdict;

    tls->value = tls->value << 8 | byte;
    if (--tls->need > 0) {
        return SERVER_NAME_MORE;
    }
    if (tls->step <= STEP_COMPRESSION) {
        verdict = on_early_number(name, tls->value);
    } else if (tls->step <= STEP_OTHER_EXTENSION) {
        verdict = on_extension(name, tls->value);
    } else {
        verdict = on_name(name, tls->value);
    }
    /* Nothing to skip: that is over at once. */
    if (verdict == SERVER_NAME_MORE && tls->skip_to != skip_to && tls->skip_to == tls->at) {
        return on_skipped(name);
    }
    return verdict;
}

/* A byte of the handshake message. */
static enum server_name_verdict take_message(struct server_name *name, uint8_t byte)
{
    struct server_name_tls *tls = &name->tls;
    enum server_name_verdict verdict = SERVER_NAME_MORE;

    tls->at++;
    if (tls->at < tls->skip_to) {
        verdict = SERVER_NAME_MORE;
    } else if (tls->at == tls->skip_to) {
        verdict = on_skipped(name);
    } else if (tls->step == STEP_TEXT) {
        verdict = on_text(name, byte);
    } else {
        verdict = take_number(name, byte);
    }
    /* It ends before what it says that it holds. */
    return verdict == SERVER_NAME_MORE && tls->at == tls->message_end ? SERVER_NAME_BAD : verdict;
}

/* RFC 8446 5.1: type, version, length. Alerts and the like before a ClientHello are passed over, as
 * servers do. */
static enum server_name_verdict take_record_header(struct server_name_tls *tls, uint8_t byte)
{
    switch (tls->record_header++) {
    case 0:
        tls->record_type = byte;
        return server_name_tls_is_first(byte) ? SERVER_NAME_MORE : SERVER_NAME_NONE;
    case 1:
        return byte == 3 ? SERVER_NAME_MORE : SERVER_NAME_NONE;
    case 2:
        return SERVER_NAME_MORE;
    case 3:
        tls->record_left = (uint32_t)byte << 8;
        return SERVER_NAME_MORE;
    default:
        tls->record_left |= byte;
        tls->record_header = tls->record_left == 0 ? 0 : RECORD_HEADER_BYTES;
        return tls->record_left <= RECORD_BYTES_MAX ? SERVER_NAME_MORE : SERVER_NAME_NONE;
    }
}

enum server_name_verdict server_name_tls_take(struct server_name *name, uint8_t byte)
{
    struct server_name_tls *tls = &name->tls;

    if (tls->record_header < RECORD_HEADER_BYTES) {
        return take_record_header(tls, byte);
    }
    if (--tls->record_left == 0) {
        tls->record_header = 0;
    }
    return tls->record_type == RECORD_HANDSHAKE ? take_message(name, byte) : SERVER_NAME_MORE;
}
