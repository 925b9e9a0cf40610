//! Every metric: name, unit, help. Labels come from closed sets, never an id of a message.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Messages accepted; label `kind`.
pub const MESSAGES_ACCEPTED: &str = "liandong_messages_accepted_total";
/// Submissions refused; label `code`.
pub const MESSAGES_REFUSED: &str = "liandong_messages_refused_total";
/// Submissions that were the same as an accepted one.
pub const MESSAGES_REPEATED: &str = "liandong_messages_repeated_total";
/// From submission to durable acceptance.
pub const INTAKE_DURATION: &str = "liandong_intake_duration_seconds";
/// Messages in one accept transaction.
pub const INTAKE_BATCH: &str = "liandong_intake_batch_messages";
/// Attempts ended; labels `endpoint`, `outcome`.
pub const ATTEMPTS: &str = "liandong_delivery_attempts_total";
/// Duration of one attempt; label `endpoint`.
pub const ATTEMPT_DURATION: &str = "liandong_delivery_attempt_duration_seconds";
/// From acceptance to the target's confirmation; label `kind`.
pub const END_TO_END: &str = "liandong_end_to_end_duration_seconds";
/// Deliveries parked, from the start, by an attempt or by a person; label `reason`.
pub const PARKED: &str = "liandong_deliveries_parked_total";
/// Deadlines that this hub found missed; several hubs, and one that starts again, find the same ones.
pub const DEADLINES_MISSED: &str = "liandong_deadlines_missed_total";
/// Deliveries now, as the store has them, so also after a restart; label `state`.
pub const DELIVERIES: &str = "liandong_deliveries";
/// Deliveries with workers now; label `endpoint`.
pub const IN_FLIGHT: &str = "liandong_deliveries_in_flight";
/// Breaker of an endpoint: 0 closed, 1 probing, 2 open; label `endpoint`.
pub const BREAKER: &str = "liandong_breaker_state";
/// Leases that ended unsettled.
pub const LEASES_EXPIRED: &str = "liandong_leases_expired_total";
/// Outcomes that were not recorded; label `reason`.
pub const OUTCOMES_REFUSED: &str = "liandong_outcomes_refused_total";
/// What was sent again, after it had been delivered, and not taken; label `endpoint`.
pub const RESENDS_GIVEN_UP: &str = "liandong_resends_given_up_total";
/// Entries sealed.
pub const SEALED: &str = "liandong_trail_sealed_total";
/// Age of the oldest unsealed entry.
pub const SEAL_LAG: &str = "liandong_seal_lag_seconds";
/// Latest checkpoints sent outside; labels `place`, `result`.
pub const ANCHORS: &str = "liandong_anchors_sent_total";
/// How long ago the latest checkpoint should have come to a place outside; label `place`.
pub const ANCHOR_OVERDUE: &str = "liandong_anchor_overdue_seconds";
/// Store calls that failed; label `kind`.
pub const STORE_ERRORS: &str = "liandong_store_errors_total";
/// Whether a connection to the broker, or of a worker to its hub, is up: 1 or 0; label `connection`.
pub const BUS_CONNECTED: &str = "liandong_bus_connected";
/// Whether the broker blocks publishing: 1 or 0.
pub const BUS_BLOCKED: &str = "liandong_bus_blocked";
/// Broker messages published; labels `to`, `result`.
pub const BUS_PUBLISHED: &str = "liandong_bus_published_total";
/// From the first byte of a batch to its last confirm; label `to`.
pub const BUS_CONFIRM_DURATION: &str = "liandong_bus_confirm_duration_seconds";
/// Broker messages that will come again, since their acknowledgement could not be given.
pub const BUS_UNACKNOWLEDGED: &str = "liandong_bus_unacknowledged_total";
/// Copies of work that came again while or after they were worked on.
pub const BUS_REPEATED: &str = "liandong_bus_repeated_total";
/// What came over the bus and was refused; label `reason`.
pub const BUS_REFUSED: &str = "liandong_bus_refused_total";
/// Consumers of an endpoint that is served outside; label `endpoint`.
pub const BUS_CONSUMERS: &str = "liandong_bus_consumers";
/// Broker messages that lie in the dead-letter queue.
pub const BUS_DEAD: &str = "liandong_bus_dead_messages";
/// Messages that systems published, as they were brought; label `brought`: first, or again.
pub const AMQP_LETTERS: &str = "liandong_amqp_letters_total";
/// Pauses of intake over AMQP since the hub could not take what came; label `endpoint`.
pub const AMQP_PAUSES: &str = "liandong_amqp_pauses_total";
/// Answers to what was published; label `result`: taken, or why they were not handed over.
pub const AMQP_REPLIES: &str = "liandong_amqp_replies_total";
/// Who has the mailbox of an endpoint open now; label `endpoint`.
pub const MAILBOX_STREAMS: &str = "liandong_mailbox_streams";
/// Answers to deliveries out of mailboxes; label `count`: counted, or stale and not counted.
pub const MAILBOX_ANSWERS: &str = "liandong_mailbox_answers_total";
/// Whether this hub lacks the key that signs, or will; it signs nothing then.
pub const KEY_MISSING: &str = "liandong_signing_key_missing";
/// Age of the oldest checkpoint that no authority has stamped, where one is configured.
pub const STAMP_LAG: &str = "liandong_timestamp_lag_seconds";
/// Whether that is longer than the grace.
pub const STAMP_OVERDUE: &str = "liandong_timestamp_overdue";
/// Certificates read again after their files changed; label `result`.
pub const CERTIFICATE_RELOADS: &str = "liandong_certificate_reloads_total";

/// Tells the recorder what each metric is.
pub fn describe() {
    describe_counter!(MESSAGES_ACCEPTED, Unit::Count, "messages accepted, by kind");
    describe_counter!(MESSAGES_REFUSED, Unit::Count, "submissions refused, by code");
    describe_counter!(MESSAGES_REPEATED, Unit::Count, "submissions that were the same as an accepted one");
    describe_histogram!(INTAKE_DURATION, Unit::Seconds, "from submission to durable acceptance");
    describe_histogram!(INTAKE_BATCH, Unit::Count, "messages in one accept transaction");
    describe_counter!(ATTEMPTS, Unit::Count, "attempts ended, by endpoint and outcome");
    describe_histogram!(ATTEMPT_DURATION, Unit::Seconds, "duration of one attempt, by endpoint");
    describe_histogram!(END_TO_END, Unit::Seconds, "from acceptance to the target's confirmation, by kind");
    describe_counter!(PARKED, Unit::Count, "deliveries parked, by reason");
    describe_counter!(DEADLINES_MISSED, Unit::Count, "deadlines that were found missed");
    describe_gauge!(DELIVERIES, Unit::Count, "deliveries now, by state");
    describe_gauge!(IN_FLIGHT, Unit::Count, "deliveries with workers now, by endpoint");
    describe_gauge!(BREAKER, Unit::Count, "breaker of an endpoint: 0 closed, 1 probing, 2 open");
    describe_counter!(LEASES_EXPIRED, Unit::Count, "leases that ended unsettled");
    describe_counter!(OUTCOMES_REFUSED, Unit::Count, "outcomes that were not recorded, by reason");
    describe_counter!(RESENDS_GIVEN_UP, Unit::Count, "deliveries sent again and not taken, by endpoint");
    describe_counter!(SEALED, Unit::Count, "trail entries sealed");
    describe_gauge!(SEAL_LAG, Unit::Seconds, "age of the oldest unsealed trail entry");
    describe_counter!(ANCHORS, Unit::Count, "checkpoints sent outside, by place and result");
    describe_gauge!(ANCHOR_OVERDUE, Unit::Seconds, "how long a checkpoint has been due outside, by place");
    describe_counter!(STORE_ERRORS, Unit::Count, "store calls that failed, by kind");
    describe_gauge!(BUS_CONNECTED, Unit::Count, "whether a connection to the broker or to the hub is up");
    describe_gauge!(BUS_BLOCKED, Unit::Count, "whether the broker blocks publishing");
    describe_counter!(BUS_PUBLISHED, Unit::Count, "broker messages published, by exchange and result");
    describe_histogram!(BUS_CONFIRM_DURATION, Unit::Seconds, "from publishing a batch to its last confirm");
    describe_counter!(BUS_UNACKNOWLEDGED, Unit::Count, "broker messages that will come again");
    describe_counter!(BUS_REPEATED, Unit::Count, "copies of work that came again");
    describe_counter!(BUS_REFUSED, Unit::Count, "what came over the bus and was refused, by reason");
    describe_gauge!(BUS_CONSUMERS, Unit::Count, "consumers of an endpoint that is served outside");
    describe_gauge!(BUS_DEAD, Unit::Count, "broker messages in the dead-letter queue");
    describe_counter!(AMQP_LETTERS, Unit::Count, "messages that systems published, as they were brought");
    describe_counter!(AMQP_PAUSES, Unit::Count, "pauses of intake over AMQP, by endpoint");
    describe_counter!(AMQP_REPLIES, Unit::Count, "answers to what was published, by result");
    describe_gauge!(MAILBOX_STREAMS, Unit::Count, "who has the mailbox of an endpoint open now");
    describe_counter!(MAILBOX_ANSWERS, Unit::Count, "answers to deliveries out of mailboxes, by count");
    describe_gauge!(KEY_MISSING, Unit::Count, "whether this hub lacks the key that signs, or will");
    describe_gauge!(STAMP_LAG, Unit::Seconds, "age of the oldest checkpoint without a time stamp");
    describe_gauge!(STAMP_OVERDUE, Unit::Count, "whether a time stamp is late beyond the grace");
    describe_counter!(CERTIFICATE_RELOADS, Unit::Count, "certificates read again, by result");
}

/// Buckets of the histograms, seconds.
pub const DURATION_BUCKETS_SECONDS: [f64; 12] =
    [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];
