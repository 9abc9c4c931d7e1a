/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What programs without the kselftest harness check and require: what is not so is printed and
 * makes luo_has_failed true; if it was required, the process ends. What stands after one of them
 * is done before that.
 */
#ifndef CHECK_H
#define CHECK_H

#include <stdbool.h>

extern bool luo_has_failed;
void luo_failure(const char *file, int line, const char *text, long long exp, long long seen);
int luo_failed(bool fatal);

#define CHECK_(exp, op, seen, text, fatal)						\
	for (long long exp_ = (long long)(exp), seen_ = (long long)(seen),		\
	     go_ = !(exp_ op seen_) &&							\
		   (luo_failure(__FILE__, __LINE__, text, exp_, seen_), 1);		\
	     go_; go_ = luo_failed(fatal))

#define require_eq(exp, seen)	CHECK_(exp, ==, seen, #exp " == " #seen, true)
#define require_ne(exp, seen)	CHECK_(exp, !=, seen, #exp " != " #seen, true)
#define require_ge(exp, seen)	CHECK_(exp, >=, seen, #exp " >= " #seen, true)
#define require_true(seen)	CHECK_(0, !=, !!(seen), #seen, true)
#define check_eq(exp, seen)	CHECK_(exp, ==, seen, #exp " == " #seen, false)
#define check_ne(exp, seen)	CHECK_(exp, !=, seen, #exp " != " #seen, false)
#define check_ge(exp, seen)	CHECK_(exp, >=, seen, #exp " >= " #seen, false)
#define check_true(seen)	CHECK_(0, !=, !!(seen), #seen, false)
#define check_false(seen)	CHECK_(0, ==, !!(seen), "!" #seen, false)

#endif /* CHECK_H */
