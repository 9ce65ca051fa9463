/* SPDX-License-Identifier: MIT */
/*
 * fire_and_forget - _ = SendMailAsync(): nobody waits for it, its failure is nobody's, and at shutdown
 * it is cut off.
 *
 * Here a child belongs to a scope, and the block is left only when it has ended. What should outlive
 * the block is detached: with a name, an owner that ends it in order, and an observer that hears how
 * it went. Without them it is refused.
 *
 * says: the mistake: E_INVAL
 * says: observed: mail server: connection refused
 * says: instead: OK
 */
#include "example.h"

static int send_mail(void *arg)
{
    (void)arg;
    ACKD_TRY(ackd_delay(10));
    return ackd_fail(ACKD_E_REFUSED, "mail server: connection refused");
}

static int mistake(void *arg)
{
    (void)arg;
    return ackd_spawn_detached(ackd_owner_current(), send_mail, NULL,
                               &(struct ackd_task_options){.name = "mail"}, NULL, NULL);
}

static int observe(const struct ackd_task *task, int code, const struct ackd_error *error,
                   void *arg)
{
    (void)task;
    (void)arg;
    printf("observed: %s\n", code == ACKD_OK ? "sent" : ackd_error_text(error));
    return ACKD_OK; /* taken notice of: it is not reported again */
}

static int instead(void *arg)
{
    (void)arg;
    ACKD_TRY(ackd_spawn_detached(ackd_owner_current(), send_mail, NULL,
                                 &(struct ackd_task_options){.name = "mail"}, observe, NULL));
    return ackd_delay(50); /* the caller goes on with other things */
}

int main(void)
{
    return example_run(mistake, instead, NULL);
}
