/* SPDX-License-Identifier: GPL-2.0 */
/* The kselftest harness as these programs use it; one-kernel tests only. */
#ifndef LUO_HARNESS_H
#define LUO_HARNESS_H

#include "kselftest_harness.h"
#include "luo_util.h"

/* An emulated guest with a debug kernel is slow; scripts/guest.py notices a hang. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 240

#endif /* LUO_HARNESS_H */
