//! One binary of integration tests: the promises, one file each, and the rules of the house.

#![expect(clippy::unwrap_used, reason = "a test fails where something is not as it must be")]

mod a_sick_endpoint_harms_no_other;
mod accepted_is_kept;
mod amqp_intake;
mod amqp_mailbox;
mod at_least_once_with_an_id;
mod attached;
mod bad_input;
mod bench;
mod bounded;
mod command_line;
mod commitments;
mod contract;
mod demo;
mod demo_data;
mod dispatch;
mod drains;
mod erasure;
mod evidence_files;
mod examples;
mod failure_is_evidence_too;
mod faults;
mod grpc;
mod harness;
mod in_order;
mod never_silent;
mod on_postgres;
mod one_behaviour;
mod operations_are_evidence;
mod papers;
mod proto_lock;
mod provable;
mod rabbitmq;
mod reconciliation;
mod retention;
mod right_level;
mod same_twice_is_once;
mod seals;
mod secrets_and_persons_stay_in;
mod several_hubs;
mod signing;
mod source;
mod tidy;
mod unknown_is_said;
mod workers;
