/* SPDX-License-Identifier: MIT */
/*
 * The word that was probably meant. Only the text of an error depends on it.
 */
#ifndef FIREWALL_SUGGEST_H
#define FIREWALL_SUGGEST_H

#include <stddef.h>

/* The nearest of WORDS (NULL at the end) to WORD, NULL: none is near. */
const char *firewall_suggest_word(const char *word, const char *const *words);
/* The nearest service name with a port, the registry's own string; NULL: none is near. Of equally
 * near ones the one with the lowest port. Walks the registry once. */
const char *firewall_suggest_service(const char *word);

#endif
