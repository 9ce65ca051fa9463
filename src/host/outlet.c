/* SPDX-License-Identifier: MIT */
/* outlet - see the header. It must not know what is published. */
#include <config.h>

#include "host/outlet.h"

#include "base/assert.h"
#include "host/consumer.h"

static void outlet_done(struct publisher_request *request, int code)
{
    struct publication *publication = LIST_ITEM(request, publication, request);
    struct consumer *consumer = publication->station->owner;
    metric_subtract(&consumer->metrics, METRIC_publishes_pending, 1);
    metric_add(&consumer->metrics,
               code == ACKD_OK ? METRIC_publishes_confirmed : METRIC_publishes_failed, 1);
    if (request->reply != NULL) {
        code = publication_set_reply(publication, request->reply->body);
        delivery_free(&request->reply);
    }
    publication_answer(publication, code);
}

void outlet_receive(struct crossing *crossing)
{
    struct publication *publication = publication_of(crossing);
    struct consumer *consumer = publication->station->owner;
    struct publisher *publisher = consumer->broker->publisher;
    if (crossing->kind == CROSSING_PUBLISH) {
        metric_add(&consumer->metrics, METRIC_publishes_pending, 1);
        publication->request.done = outlet_done;
        publisher_publish(publisher, &publication->request);
        return;
    }
    publisher_withdraw(publisher, &publication->request);
    runner_send(publication->station->runner, crossing);
}
