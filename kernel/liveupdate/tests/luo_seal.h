/* SPDX-License-Identifier: GPL-2.0 */
/* Making checksums right again, after something was changed. See luo_seal.c. */
#ifndef _LUO_SEAL_H
#define _LUO_SEAL_H

#include "../luo_wire.h"

void luo_seal_files(const struct luo_ser *ser, const struct luo_ext_ser *ext,
		    const struct luo_wire_pages *pages);
void luo_seal(const struct luo_ser *ser, struct luo_ext_ser *ext,
	      const struct luo_wire_pages *pages);

#endif /* _LUO_SEAL_H */
