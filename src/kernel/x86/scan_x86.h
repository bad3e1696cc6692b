/// The fast variants of the scan on x86-64.
#ifndef LODE_KERNEL_SCAN_X86_H
#define LODE_KERNEL_SCAN_X86_H

#include "kernel/scan.h"
#include "kernel/x86/x86.h"

#if LODE_KERNEL_X86
lode_scan_kernel lode__scan_avx2, lode__scan_avx512, lode__scan_vnni;
lode_scores_kernel lode__scores_avx2;
#endif

#endif
