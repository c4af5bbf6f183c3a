/* SPDX-License-Identifier: BSD-3-Clause */
#include "check_settings.h"

#include <stdlib.h>
#include <string.h>

static bool
text_copy(const char **to, const char *from)
{
	*to = from ? strdup(from) : NULL;
	return *to || !from;
}

static void
health_clear(struct config_health *h)
{
	free((char *)h->path);
	free((char *)h->host);
	free((char *)h->body);
	free(h->statuses);
	free((char *)h->query);
	free((char *)h->query_type);
	free((char *)h->rcode);
	free((char *)h->answer);
	for (uint32_t i = 0; i < h->command_count; i++)
		free((char *)h->command[i]);
	free(h->command);
}

/* What `from` points to, into `to`. False when memory is out; then `to` may have a part of it. */
static bool
health_fill(struct config_health *to, const struct config_health *from)
{
	if (!text_copy(&to->path, from->path) || !text_copy(&to->host, from->host) ||
		!text_copy(&to->body, from->body) || !text_copy(&to->query, from->query) ||
		!text_copy(&to->query_type, from->query_type) ||
		!text_copy(&to->rcode, from->rcode) || !text_copy(&to->answer, from->answer))
		return false;
	if (from->status_count > 0) {
		to->statuses = calloc(from->status_count, sizeof(to->statuses[0]));
		if (!to->statuses)
			return false;
		memcpy(to->statuses, from->statuses, from->status_count * sizeof(to->statuses[0]));
		to->status_count = from->status_count;
	}
	if (from->command_count == 0)
		return true;
	/* One more: a program's arguments end with NULL. */
	to->command = calloc((size_t)from->command_count + 1, sizeof(to->command[0]));
	if (!to->command)
		return false;
	for (; to->command_count < from->command_count; to->command_count++)
		if (!text_copy(&to->command[to->command_count], from->command[to->command_count]))
			return false;
	return true;
}

struct check_settings *
settings_copy(const struct config_health *health)
{
	struct check_settings *settings = calloc(1, sizeof(*settings));
	if (!settings)
		return NULL;
	settings->holders = 1;
	struct config_health *to = &settings->health;
	to->type = health->type;
	to->via = health->via;
	to->port = health->port;
	to->verify = health->verify;
	to->interval_ms = health->interval_ms;
	to->fast_interval_ms = health->fast_interval_ms;
	to->timeout_ms = health->timeout_ms;
	to->rise = health->rise;
	to->fall = health->fall;
	if (health_fill(to, health))
		return settings;
	settings_release(settings);
	return NULL;
}

struct check_settings *
settings_share(struct check_settings *settings)
{
	settings->holders++;
	return settings;
}

void
settings_release(struct check_settings *settings)
{
	if (!settings || --settings->holders > 0)
		return;
	health_clear(&settings->health);
	free(settings);
}

static bool
text_equal(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool
statuses_equal(const struct config_health *a, const struct config_health *b)
{
	if (a->status_count != b->status_count)
		return false;
	for (uint32_t i = 0; i < a->status_count; i++)
		if (a->statuses[i].first != b->statuses[i].first ||
			a->statuses[i].last != b->statuses[i].last)
			return false;
	return true;
}

static bool
commands_equal(const struct config_health *a, const struct config_health *b)
{
	if (a->command_count != b->command_count)
		return false;
	for (uint32_t i = 0; i < a->command_count; i++)
		if (!text_equal(a->command[i], b->command[i]))
			return false;
	return true;
}

bool
settings_equal(const struct config_health *a, const struct config_health *b)
{
	return a->type == b->type && a->via == b->via && a->port == b->port &&
	       a->verify == b->verify && a->interval_ms == b->interval_ms &&
	       a->fast_interval_ms == b->fast_interval_ms && a->timeout_ms == b->timeout_ms &&
	       a->rise == b->rise && a->fall == b->fall && text_equal(a->path, b->path) &&
	       text_equal(a->host, b->host) && text_equal(a->body, b->body) &&
	       text_equal(a->query, b->query) && text_equal(a->query_type, b->query_type) &&
	       text_equal(a->rcode, b->rcode) && text_equal(a->answer, b->answer) &&
	       statuses_equal(a, b) && commands_equal(a, b);
}
