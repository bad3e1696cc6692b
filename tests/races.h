/// Are tests built to look for data races? That costs ten to twenty times the time, and races depend on what runs beside
/// what, not on how much of it: long tests do less then, and say what they leave out.
#ifndef LODE_TESTS_RACES_H
#define LODE_TESTS_RACES_H

#if defined(__SANITIZE_THREAD__)
#define LOOKING_FOR_RACES 1
#else
#define LOOKING_FOR_RACES 0
#endif

#endif
