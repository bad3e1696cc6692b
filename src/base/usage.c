#include "base/usage.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

uint64_t lode__peak_resident(void) {
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)usage.ru_maxrss * 1024;
}

uint64_t lode__resident(const void *start, size_t bytes, uint64_t *huge) {
    const unsigned long long low = (uintptr_t)start, high = low + bytes;
    uint64_t resident = 0, in_huge = 0;
    char line[512];
    bool inside = false;
    FILE *file = bytes > 0 ? fopen("/proc/self/smaps", "re") : NULL;
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        unsigned long long from, to, kilobytes;
        if (sscanf(line, "%llx-%llx ", &from, &to) == 2) {
            inside = from < high && low < to;
        } else if (inside && sscanf(line, "Rss: %llu kB", &kilobytes) == 1) {
            resident += kilobytes * 1024;
        } else if (inside && sscanf(line, "AnonHugePages: %llu kB", &kilobytes) == 1) {
            in_huge += kilobytes * 1024;
        }
    }
    if (file != NULL) (void)fclose(file);
    if (huge != NULL) *huge = in_huge;
    return resident;
}
