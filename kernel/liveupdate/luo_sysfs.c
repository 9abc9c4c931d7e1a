// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/kernel/liveupdate, one value per file, also while live update is off.
 *
 * Anybody may read it as often as he likes, so reading validates nothing, frees nothing,
 * and takes no lock that others only try for. See
 * Documentation/ABI/testing/sysfs-kernel-liveupdate.
 */
#include <linux/cleanup.h>
#include <linux/kexec.h>
#include <linux/kobject.h>
#include <linux/sysfs.h>

#include "luo_internal.h"

/* The orchestrator that is shown */
static struct luo *luo_shown;

static ssize_t enabled_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%d\n", luo_enabled(luo_shown));
}

static ssize_t number_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	struct luo *luo = luo_shown;

	guard(mutex)(&luo->lock);
	return sysfs_emit(buf, "%llu\n", luo->in.err ? 0 : luo->in.head.liveupdate_num);
}

static ssize_t incoming_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	const char *name = luo_incoming_state_name(luo_incoming_state(luo_shown));

	if (luo_shown->store->ops->refused(luo_shown->store))
		name = "lost";
	return sysfs_emit(buf, "%s\n", name);
}

/* Written once, at boot */
static ssize_t incoming_version_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n", luo_shown->in.version);
}

static ssize_t image_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	static const char *const names[] = {
		[KEXEC_IMAGE_NONE] = "none",
		[KEXEC_IMAGE_PLAIN] = "no-handover",
		[KEXEC_IMAGE_HANDOVER] = "handover",
	};

	return sysfs_emit(buf, "%s\n", names[kexec_image_kind()]);
}

static struct kobj_attribute enabled_attr = __ATTR_RO(enabled);
static struct kobj_attribute number_attr = __ATTR_RO(number);
static struct kobj_attribute incoming_attr = __ATTR_RO(incoming);
static struct kobj_attribute incoming_version_attr = __ATTR_RO(incoming_version);
static struct kobj_attribute image_attr = __ATTR_RO(image);

static struct attribute *sysfs_attrs[] = {
	&enabled_attr.attr,
	&number_attr.attr,
	&incoming_attr.attr,
	&incoming_version_attr.attr,
	&image_attr.attr,
	NULL
};

static const struct attribute_group sysfs_group = {
	.attrs = sysfs_attrs,
};

/* Create /sys/kernel/liveupdate, also if live update is off. Returns 0 or -ENOMEM. */
int luo_sysfs_init(struct luo *luo)
{
	struct kobject *kobj;
	int err;

	luo_shown = luo;
	kobj = kobject_create_and_add("liveupdate", kernel_kobj);
	if (!kobj)
		return -ENOMEM;
	err = sysfs_create_group(kobj, &sysfs_group);
	if (err)
		kobject_put(kobj);
	return err;
}
