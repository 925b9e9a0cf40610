//! What the targets saw against the receipts in the senders' hands, and what the store says of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use crate::harness::{
    database::run,
    department::Department,
    load::{Load, ROUNDS, is_penalty},
    sender::REGULATOR,
};

/// What came at a target more often than once, always under its id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Repeats {
    /// How many in all.
    pub(crate) all: usize,
    /// Those that came after the next of their lane: a copy whose delivery was final already.
    pub(crate) behind: usize,
}

/// The delivery to an organisation that a receipt names.
fn delivery_to<'r>(statement: &'r Value, organisation: &str) -> &'r str {
    let deliveries = statement["deliveries"].as_array().unwrap();
    let found = deliveries.iter().find(|delivery| delivery["organisation"] == organisation);
    found.unwrap_or_else(|| panic!("none to {organisation}: {statement}"))["id"].as_str().unwrap()
}

fn round_of(key: &str) -> usize {
    key.rsplit_once('-').unwrap().1.parse().unwrap()
}

/// Holds what a target saw against the receipts: everything is there, under the id of its receipt alone, and each
/// lane came in its order.
pub(crate) fn compare(target: &Department, load: &Load, organisation: &str) -> Repeats {
    let receipts = load.receipts();
    assert_eq!(receipts.len(), load.messages());
    let is_for_all = organisation == REGULATOR;
    let expected: HashMap<&str, &str> = receipts
        .iter()
        .filter(|(key, _)| is_for_all || is_penalty(round_of(key)))
        .map(|(key, statement)| (delivery_to(statement, organisation), key.as_str()))
        .collect();
    let mut lanes: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut repeats = Repeats::default();
    target.look(|ledger| {
        let missing: Vec<_> = expected.iter().filter(|(id, _)| !ledger.kept.contains(**id)).collect();
        assert!(missing.is_empty(), "{} accepted and not at {organisation}: {missing:?}", missing.len());
        for arrival in &ledger.arrivals {
            let key = arrival.text("key");
            assert_eq!(
                expected.get(&*arrival.delivery),
                Some(&&*key),
                "came under another id than its receipt's"
            );
            let (licence, round) = key.rsplit_once('-').unwrap();
            let (lane, round) = (lanes.entry(licence.to_owned()).or_default(), round.parse().unwrap());
            if arrival.times == 1 {
                lane.push(round);
            } else {
                repeats.all += 1;
                repeats.behind += usize::from(lane.last() != Some(&round));
            }
        }
    });
    let in_order: Vec<_> = (0..ROUNDS).filter(|round| is_for_all || is_penalty(*round)).collect();
    for (licence, lane) in lanes {
        assert_eq!(lane, in_order, "lane {licence} at {organisation}");
    }
    repeats
}

/// Deliveries to systems that have not ended.
pub(crate) async fn open(database: &str) -> i64 {
    let sql = "SELECT count(*) FROM open_delivery WHERE endpoint IS NOT NULL";
    run(database, sql).await[0].get(0)
}

/// Deliveries that are with workers, or on their way to them.
pub(crate) async fn leased(database: &str) -> i64 {
    run(database, "SELECT count(*) FROM open_delivery WHERE state = 'leased'").await[0].get(0)
}

/// Every delivery that has ended, and how.
pub(crate) async fn ended(database: &str) -> BTreeSet<String> {
    let sql = "SELECT concat_ws(' ', delivery.id, final_state, ended_at, handed_over_at, lease, attempts) \
               FROM delivery_end JOIN delivery USING (number)";
    run(database, sql).await.iter().map(|row| row.get(0)).collect()
}

/// Attempts that did not go as they should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attempts {
    /// Nobody could say whether the target has it.
    pub(crate) unknown: i64,
    /// They were told when their delivery had ended.
    pub(crate) late: i64,
}

/// What must not be found in the store at the end; each gives a count.
const WRONG: [(&str, &str); 7] = [
    (
        "messages without what belongs to them: content, a delivery, their entry in the trail",
        "SELECT count(*) FROM message_key LEFT JOIN message USING (number) WHERE message.number IS NULL \
         OR NOT EXISTS (SELECT FROM delivery WHERE delivery.message = message_key.number) \
         OR NOT EXISTS (SELECT FROM trail WHERE trail.message = message_key.id AND event = 'message.accepted')",
    ),
    (
        "contents, deliveries and entries in the trail of messages that are not there",
        "SELECT (SELECT count(*) FROM message WHERE number NOT IN (SELECT number FROM message_key)) \
         + (SELECT count(*) FROM delivery WHERE message NOT IN (SELECT number FROM message_key)) \
         + (SELECT count(*) FROM trail WHERE message NOT IN (SELECT id FROM message_key))",
    ),
    (
        "deliveries that did not end as delivered",
        "SELECT count(*) FROM delivery LEFT JOIN delivery_end USING (number) \
         WHERE endpoint IS NOT NULL AND final_state IS DISTINCT FROM 'delivered'",
    ),
    (
        // Two hubs may be told of two attempts at once; what is stored first stands, whichever was told first.
        "deliveries that ended at another moment than a success was told, or hold another success's hand-over",
        "SELECT count(*) FROM delivery JOIN delivery_end USING (number) WHERE endpoint IS NOT NULL AND NOT EXISTS \
         (SELECT FROM attempt WHERE attempt.delivery = number AND outcome = 'delivered' \
         AND recorded_at = delivery_end.ended_at AND attempt.ended_at = handed_over_at)",
    ),
    (
        "attempts under a lease that was never given",
        "SELECT count(*) FROM attempt JOIN delivery_end ON number = delivery \
         WHERE attempt.lease NOT BETWEEN 1 AND delivery_end.lease",
    ),
    (
        "attempts without their entry in the trail, or more entries than attempts",
        "SELECT abs((SELECT count(*) FROM attempt) - (SELECT count(*) FROM trail \
         WHERE event IN ('delivery.attempted', 'delivery.handed_back')))",
    ),
    ("messages that were stored twice", "SELECT count(*) - count(DISTINCT business_key) FROM message_key"),
];

/// Holds the store against itself and against what it said in the midst of the load.
pub(crate) async fn nothing_overwritten(database: &str, before: &BTreeSet<String>, load: &Load) -> Attempts {
    for (what, sql) in WRONG {
        let found: i64 = run(database, sql).await[0].get(0);
        assert_eq!(found, 0, "{what}");
    }
    let after = ended(database).await;
    let changed: Vec<_> = before.difference(&after).collect();
    assert!(changed.is_empty() && !before.is_empty(), "ended otherwise than they had: {changed:?}");
    let stored: i64 = run(database, "SELECT count(*) FROM message_key").await[0].get(0);
    assert_eq!(usize::try_from(stored), Ok(load.messages()), "messages in the store");
    let sql = "SELECT count(*) FROM delivery WHERE endpoint IS NOT NULL";
    let delivered: i64 = run(database, sql).await[0].get(0);
    assert_eq!(usize::try_from(delivered), Ok(load.messages() + load.penalties()), "deliveries in the store");
    let count = async |condition: &str| -> i64 {
        let sql =
            format!("SELECT count(*) FROM attempt JOIN delivery_end ON number = delivery WHERE {condition}");
        run(database, &sql).await[0].get(0)
    };
    Attempts {
        unknown: count("outcome = 'unknown'").await,
        late: count("recorded_at > delivery_end.ended_at").await,
    }
}
