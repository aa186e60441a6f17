/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/corpus_main.c: runs one fuzz target over its corpus, as a plain test.
 *
 * Linked to a file that has LLVMFuzzerTestOneInput. Arguments: corpus folders. Each file in
 * them is one TAP case, passed when the target returns; a target that finds a defect aborts.
 * With -Dfuzz=true libFuzzer's own main takes this file's place.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_BYTES_MAX  4096
#define INPUT_BYTES_MAX (1024L * 1024L)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Hands the target an exact-size copy, so that ASan sees a read of one byte past its end. */
static int run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = NULL;
    long size = 0;
    int result = -1;

    if (file == NULL) {
        return -1;
    }
    if (fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 0 || size > INPUT_BYTES_MAX) {
        goto out;
    }
    rewind(file);
    data = malloc(size > 0 ? (size_t)size : 1);
    if (data == NULL || fread(data, 1, (size_t)size, file) != (size_t)size) {
        goto out;
    }
    (void)LLVMFuzzerTestOneInput(data, (size_t)size);
    result = 0;
out:
    free(data);
    (void)fclose(file);
    return result;
}

static int is_input(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

int main(int argc, char **argv)
{
    unsigned cases = 0;
    int failures = 0;

    for (int i = 1; i < argc; i++) {
        struct dirent **entries = NULL;
        int count = scandir(argv[i], &entries, is_input, alphasort);

        if (count < 0) {
            printf("not ok %u - corpus folder %s cannot be read\n", ++cases, argv[i]);
            return 1;
        }
        for (int k = 0; k < count; k++) {
            char path[PATH_BYTES_MAX];
            int wrong;

            (void)snprintf(path, sizeof(path), "%s/%s", argv[i], entries[k]->d_name);
            printf("# %s\n", entries[k]->d_name); /* which one it was, should it die */
            (void)fflush(stdout);
            wrong = run_file(path) != 0;
            failures += wrong;
            printf("%s %u - %s\n", wrong ? "not ok" : "ok", ++cases, entries[k]->d_name);
            free(entries[k]);
        }
        free(entries);
    }
    printf("1..%u\n", cases);
    return failures > 0 || cases == 0 ? 1 : 0;
}
