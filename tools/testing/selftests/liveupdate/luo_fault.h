/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Making the nth allocation or user copy of a call fail.
 *
 *	for (n = 1; ; n++) {
 *		luo_fault_arm(n);
 *		ret = the call;
 *		if (!luo_fault_fired())
 *			break;		it needs fewer than n: this time nothing failed
 *		...			ret is an error, or it coped
 *	}
 */
#ifndef LUO_FAULT_H
#define LUO_FAULT_H

#include <stdbool.h>

/* Does this kernel inject faults? Sets it up. */
bool luo_fault_setup(void);

void luo_fault_arm(unsigned int nth);
bool luo_fault_fired(void);

/* An errno that a failed allocation or user copy may turn into */
bool luo_fault_errno(int ret);

#endif /* LUO_FAULT_H */
