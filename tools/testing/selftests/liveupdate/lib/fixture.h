/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What most tests start from: the device and two sessions. Teardown closes them and then
 * demands that the names are free.
 */
#ifndef FIXTURE_H
#define FIXTURE_H

#include "harness.h"

FIXTURE(session) {
	int dev;
	int one;
	int two;
};

FIXTURE_SETUP(session)
{
	self->dev = luo_open();
	if (luo_is_off(self->dev))
		SKIP(return, "no " LUO_DEVICE ": live update is off");
	ASSERT_GE(self->dev, 0);
	self->one = test_create(self->dev, "one");
	self->two = test_create(self->dev, "two");
}

FIXTURE_TEARDOWN(session)
{
	close(self->one);
	close(self->two);
	close(self->dev);
	self->dev = test_open();
	close(test_create(self->dev, "one"));
	close(test_create(self->dev, "two"));
	close(self->dev);
}

#endif /* FIXTURE_H */
