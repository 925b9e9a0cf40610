//! How SQLite runs the statements that a backlog must not slow down: by a range of the index meant for
//! them, without sorting and without reading a table through.

use std::path::Path;

use rusqlite::Connection;

use super::{Options, connection, migrate};

/// The plan of a statement, a line a step.
fn plan(sql: &str) -> String {
    let mut connection = Connection::open_in_memory().unwrap();
    migrate::apply(&mut connection).unwrap();
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let values = vec![rusqlite::types::Value::Null; statement.parameter_count()];
    let steps = statement.query_map(rusqlite::params_from_iter(values), |row| row.get(3)).unwrap();
    steps.collect::<Result<Vec<String>, _>>().unwrap().join("\n")
}

fn assert_by_index(sql: &str, indexes: &[&str]) {
    let plan = plan(sql);
    for index in indexes {
        assert!(plan.contains(index), "{index} is not used:\n{plan}");
    }
    for slow in ["SCAN o\n", "SCAN open_delivery\n", "SCAN d\n", "SCAN t\n", "TEMP B-TREE"] {
        assert!(!format!("{plan}\n").contains(slow), "{slow}:\n{plan}");
    }
}

#[test]
fn claiming_is_one_range_of_the_claim_index() {
    assert_by_index(
        include_str!("sql/claim_due.sql"),
        &["USING INDEX open_delivery_claim (endpoint=? AND claim_at<?)"],
    );
}

#[test]
fn waiting_goes_from_endpoint_to_endpoint_in_the_claim_index() {
    let plan = plan(include_str!("sql/claim_waiting.sql"));
    assert!(plan.matches("SEARCH").count() >= 4, "{plan}");
    assert!(
        plan.contains("SEARCH o USING COVERING INDEX open_delivery_claim (endpoint=? AND claim_at<?)"),
        "{plan}"
    );
    assert!(
        plan.contains("SEARCH o USING COVERING INDEX open_delivery_claim (endpoint=? AND claim_at>?)"),
        "{plan}"
    );
    assert!(!plan.contains("SCAN o") && !plan.contains("SCAN open_delivery"), "{plan}");
}

#[test]
fn the_head_of_a_lane_and_second_hops_are_sought() {
    assert_by_index(include_str!("sql/lane_head.sql"), &["open_delivery_lane (order_key=? AND endpoint=?)"]);
    assert_by_index(include_str!("sql/hop_held.sql"), &["delivery_second_hop (first_hop=?)"]);
    assert_by_index(include_str!("sql/claim_relays.sql"), &["delivery_second_hop (first_hop=?)"]);
}

#[test]
fn expired_leases_are_a_range() {
    assert_by_index(include_str!("sql/lease_expired.sql"), &["open_delivery_lease (lease_until<?)"]);
}

#[test]
fn keys_and_superseded_deliveries_are_sought() {
    let once = "message_key_once (business_key=? AND kind=? AND organisation=?";
    assert_by_index(include_str!("sql/key_highest.sql"), &[once]);
    assert_by_index(include_str!("sql/key_standing.sql"), &[once]);
    let sought = plan(include_str!("sql/delivery_superseded.sql"));
    assert!(sought.contains(once) && sought.contains("delivery_second_hop (first_hop=?)"), "{sought}");
}

#[test]
fn unsealed_entries_are_read_in_their_own_order() {
    let plan = plan(include_str!("sql/trail_unsealed.sql"));
    assert!(plan.starts_with("SCAN u\n") && !plan.contains("TEMP B-TREE"), "{plan}");
}

#[test]
fn what_waits_for_people_is_listed_by_the_index_of_rare_states() {
    let listing = |condition: &str| {
        let base = include_str!("sql/delivery.sql");
        plan(&format!("{base}WHERE {condition} ORDER BY d.number LIMIT ?1"))
    };
    let parked = listing("o.state IN ('held', 'parked') AND o.state = 'parked'");
    assert!(parked.contains("open_delivery_stopped (state=?)"), "{parked}");
    let skipped = listing("d.final_state <> 'delivered' AND d.final_state = 'skipped'");
    assert!(skipped.contains("delivery_ended_by_hand (final_state=?)"), "{skipped}");
}

/// Statements that run once or more for each message or delivery.
const HOT: [&str; 16] = [
    include_str!("sql/attempt_insert.sql"),
    include_str!("sql/claim_due.sql"),
    include_str!("sql/claim_lease.sql"),
    include_str!("sql/claim_relays.sql"),
    include_str!("sql/delivery_end.sql"),
    include_str!("sql/delivery_insert.sql"),
    include_str!("sql/hop_held.sql"),
    include_str!("sql/key_highest.sql"),
    include_str!("sql/key_insert.sql"),
    include_str!("sql/lane_head.sql"),
    include_str!("sql/message_insert.sql"),
    include_str!("sql/obligation_insert.sql"),
    include_str!("sql/open_insert.sql"),
    include_str!("sql/open_promote.sql"),
    include_str!("sql/open_remove.sql"),
    include_str!("sql/trail_insert.sql"),
];

#[test]
fn no_hot_statement_makes_a_table_of_its_own() {
    let mut connection = Connection::open_in_memory().unwrap();
    migrate::apply(&mut connection).unwrap();
    for sql in HOT {
        let mut statement = connection.prepare(&format!("EXPLAIN {sql}")).unwrap();
        let values = vec![rusqlite::types::Value::Null; statement.parameter_count()];
        let steps = statement.query_map(rusqlite::params_from_iter(values), |row| row.get(1)).unwrap();
        let steps: Vec<String> = steps.collect::<Result<_, _>>().unwrap();
        assert!(!steps.iter().any(|step| step == "OpenEphemeral" || step == "SorterOpen"), "{sql}");
    }
}

#[test]
fn the_writer_is_durable_at_each_commit() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("a.db");
    let connection = connection::writer(Path::new(&path), &Options::new(root.path())).unwrap();
    let pragma = |name: &str| {
        connection
            .pragma_query_value(None, name, |row| {
                row.get::<_, String>(0).or_else(|_| row.get::<_, i64>(0).map(|n| n.to_string()))
            })
            .unwrap()
    };
    assert_eq!((pragma("journal_mode").as_str(), pragma("synchronous").as_str()), ("wal", "2"));
    assert_eq!((pragma("foreign_keys").as_str(), pragma("busy_timeout").as_str()), ("1", "5000"));
}
