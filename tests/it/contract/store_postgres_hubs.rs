//! Several hubs on one database: nothing is done twice, nothing is forgotten between them.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use liandong::{
    domain::{
        delivery::{Next, Outcome, Transport},
        id::DeliveryId,
    },
    port::store::{
        Accept as _, Deliveries as _, DeliveryFilter, EntryId, Operation, Query as _, Seal, Settled,
        Trail as _, Verdict,
    },
    store::postgres::PostgresStore,
};

use super::backend::Postgres;
use crate::harness::{
    sample::{Draft, at, entry},
    steps::{ALL, accept, claim, operate, settlement, submit},
};

async fn hubs(place: &Postgres) -> [Arc<PostgresStore>; 2] {
    [Arc::new(place.store().await), Arc::new(place.store().await)]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_delivery_is_claimed_by_two() {
    let place = Postgres::new();
    let hubs = hubs(&place).await;
    let batch = (0..400).map(|number| Draft::new(&format!("K-{number}")).to("health").0).collect();
    hubs[0].accept(batch, at(0)).await.unwrap();
    let claims = (0..8).map(|worker| {
        let hub = Arc::clone(&hubs[worker % 2]);
        async move {
            let mut mine = Vec::new();
            loop {
                let work = claim(&*hub, "health", 7, at(1)).await;
                if work.is_empty() {
                    return mine;
                }
                mine.extend(work.into_iter().map(|work| work.delivery));
            }
        }
    });
    let claimed: Vec<DeliveryId> = futures::future::join_all(claims).await.concat();
    assert_eq!(claimed.len(), 400);
    let distinct: HashSet<_> = claimed.iter().copied().collect();
    assert_eq!(distinct.len(), 400);
    let counted = hubs[1].counts().await.unwrap();
    assert_eq!(
        counted.iter().map(|row| (row.state, row.deliveries)).collect::<Vec<_>>(),
        [(Transport::Leased, 400)]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_key_handed_in_at_two_hubs_is_accepted_once() {
    let place = Postgres::new();
    let hubs = hubs(&place).await;
    for round in 0..30 {
        let first = Draft::new(&format!("K-{round}")).to("health");
        let (same, other) = (first.again(), first.again().content("something else"));
        let verdicts = futures::future::join3(
            submit(&*hubs[0], &first, at(0)),
            submit(&*hubs[1], &same, at(0)),
            submit(&*hubs[0], &other, at(0)),
        )
        .await;
        let verdicts = [verdicts.0, verdicts.1, verdicts.2];
        let accepted = verdicts.iter().filter(|verdict| matches!(verdict, Verdict::Accepted { .. })).count();
        let unstorable = verdicts.iter().any(|verdict| matches!(verdict, Verdict::Unstorable { .. }));
        assert!(accepted == 1 && !unstorable, "round {round}: {verdicts:?}");
    }
    assert_eq!(hubs[0].deliveries(DeliveryFilter::default(), ALL).await.unwrap().len(), 30);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn revisions_handed_in_at_two_hubs_follow_each_other() {
    let place = Postgres::new();
    let hubs = hubs(&place).await;
    for round in 0..30 {
        let first = Draft::new(&format!("K-{round}")).to("health");
        accept(&*hubs[0], &first, at(0)).await;
        let second = first.again().revision(2);
        let mut third = first.again().revision(3);
        third.0.known_revision = Some(1);
        let (second, third) =
            futures::future::join(submit(&*hubs[0], &second, at(1)), submit(&*hubs[1], &third, at(1))).await;
        // Whichever came first, the other was routed without knowing it.
        let in_turn = matches!((&second, &third), (Verdict::Accepted { .. }, Verdict::Moved))
            || matches!((&second, &third), (Verdict::Stale { highest: 3 }, Verdict::Accepted { .. }));
        assert!(in_turn, "round {round}: {second:?}, {third:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn batches_with_the_same_keys_in_another_order_do_not_lock_each_other_out() {
    let place = Postgres::new();
    let hubs = hubs(&place).await;
    let drafts: Vec<_> = (0..60)
        .map(|number| Draft::new(&format!("K-{number}")).to("health").order(&format!("order-{}", number % 7)))
        .collect();
    let forward: Vec<_> = drafts.iter().map(|draft| draft.0.clone()).collect();
    let backward: Vec<_> = drafts.iter().rev().map(|draft| draft.again().0).collect();
    let (one, two) =
        futures::future::join(hubs[0].accept(forward, at(0)), hubs[1].accept(backward, at(0))).await;
    let accepted = |verdicts: &[Verdict]| {
        verdicts.iter().filter(|verdict| matches!(verdict, Verdict::Accepted { .. })).count()
    };
    assert_eq!(accepted(&one.unwrap()) + accepted(&two.unwrap()), 60);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_two_sealers_seals() {
    let place = Postgres::new();
    let hubs = hubs(&place).await;
    let mut size = 0;
    for round in 0..10 {
        let entries: Vec<_> = (0..5).map(|_| entry("hub.started")).collect();
        hubs[round % 2].append(entries.clone()).await.unwrap();
        let order: Vec<EntryId> = entries.iter().map(|entry| entry.id).collect();
        let seal = |by: usize| Seal {
            from_size: size,
            entries: order.clone(),
            frontier: format!("frontier of {by}").into(),
            checkpoint: format!("checkpoint of {by}"),
            at: at(1),
        };
        let (one, two) = futures::future::join(hubs[0].seal(seal(0)), hubs[1].seal(seal(1))).await;
        assert!(one.unwrap() ^ two.unwrap(), "round {round}");
        size += 5;
    }
    let positions: Vec<u64> =
        hubs[0].sealed(0, 100).await.unwrap().iter().map(|entry| entry.position).collect();
    assert_eq!(positions, (0..50).collect::<Vec<_>>());
    assert_eq!(hubs[1].checkpoints(0, 100).await.unwrap().len(), 10);
}

/// What an accept does to a lane, up to its commit: a delivery behind the one that stands there.
const APPEND: &str = "
    BEGIN;
    UPDATE order_key SET last_sequence = last_sequence + 1;
    INSERT INTO delivery (number, id, message, organisation, endpoint, part, redaction, rule, order_key, lane_sequence,
                          created_at)
    SELECT nextval('delivery_number'), gen_random_uuid(), message, organisation, endpoint, part, redaction, rule,
           order_key, lane_sequence + 1, created_at
    FROM delivery;
    INSERT INTO open_delivery (number, endpoint, order_key, lane_sequence, state, released, next_attempt_at)
    SELECT number, endpoint, order_key, lane_sequence, 'ready', true, created_at FROM delivery ORDER BY number DESC LIMIT 1";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_end_waits_for_what_is_being_appended_to_its_lane() {
    let place = Postgres::new();
    let [hub, _] = hubs(&place).await;
    accept(&*hub, &Draft::new("K-1").to("health"), at(0)).await;
    let work = claim(&*hub, "health", 1, at(1)).await.remove(0);

    let url = place.database().await.url();
    let (other, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    let settled = AtomicBool::new(false);
    let settle = async {
        let told =
            hub.settle(vec![settlement(&work, Outcome::Delivered, Next::Delivered, at(2))], at(2)).await;
        settled.store(true, Ordering::Relaxed);
        told.unwrap()
    };
    let append = async {
        other.batch_execute(APPEND).await.unwrap();
        let (told, ()) = futures::future::join(settle, async {
            let waits = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
            while !settled.load(Ordering::Relaxed) && other.query(waits, &[]).await.unwrap().is_empty() {
                tokio::task::yield_now().await;
            }
            other.batch_execute("COMMIT").await.unwrap();
        })
        .await;
        told
    };
    let told = tokio::select! { told = append => told, _ = connection => panic!("the connection ended") };
    assert_eq!(told, [Settled::Applied { ready: vec!["health".into()] }]);
    assert_eq!(claim(&*hub, "health", 1, at(3)).await.len(), 1, "the lane goes on");
}

/// What is in flight and what has been done, as everybody sees it.
#[derive(Debug, Default)]
struct Watch {
    in_flight: HashMap<(String, String), u64>,
    done: BTreeMap<(String, String), Vec<u64>>,
}

impl Watch {
    fn begin(&mut self, lane: &(String, String), sequence: u64) {
        let before = self.in_flight.insert(lane.clone(), sequence);
        assert_eq!(before, None, "two in flight in {lane:?}");
    }

    fn finish(&mut self, lane: (String, String), sequence: u64) {
        self.in_flight.remove(&lane);
        self.done.entry(lane).or_default().push(sequence);
    }
}

const KEYS: usize = 4;
const ENDPOINTS: [&str; 2] = ["health", "culture"];
const SENDERS: usize = 4;
const MESSAGES: usize = 120;
/// What becomes of them.
const ALL_DELIVERIES: usize = SENDERS * MESSAGES * ENDPOINTS.len();

/// Hands messages in, two a batch, into few lanes.
async fn hand_in(hub: &PostgresStore, sender: usize) {
    for number in (0..MESSAGES).step_by(2) {
        let draft = |number: usize| {
            let mut draft =
                Draft::new(&format!("K-{sender}-{number}")).order(&format!("order-{}", number % KEYS));
            for endpoint in ENDPOINTS {
                draft = draft.to(endpoint);
            }
            draft
        };
        let verdicts = hub.accept(vec![draft(number).0, draft(number + 1).0], at(0)).await.unwrap();
        assert!(verdicts.iter().all(|verdict| matches!(verdict, Verdict::Accepted { .. })), "{verdicts:?}");
    }
}

/// Claims and settles until told to end; now and then a person withdraws what stands behind.
async fn carry_out(hub: &PostgresStore, watch: &Mutex<Watch>, end: &AtomicBool) {
    while !end.load(Ordering::Relaxed) {
        for endpoint in ENDPOINTS {
            for work in claim(hub, endpoint, 3, at(1)).await {
                let order = hub.message(work.message).await.unwrap().unwrap().key.business_key;
                let number: usize = order.rsplit('-').next().unwrap().parse().unwrap();
                let lane = (format!("order-{}", number % KEYS), endpoint.to_owned());
                watch.lock().unwrap().begin(&lane, work.lane_sequence);
                if number % 11 == 3 {
                    withdraw_behind(hub, &lane.0, endpoint, work.lane_sequence).await;
                }
                watch.lock().unwrap().finish(lane, work.lane_sequence);
                let settled = settlement(&work, Outcome::Delivered, Next::Delivered, at(2));
                hub.settle(vec![settled], at(2)).await.unwrap();
            }
        }
        tokio::task::yield_now().await;
    }
}

async fn withdraw_behind(hub: &PostgresStore, order: &str, endpoint: &str, sequence: u64) {
    let filter = DeliveryFilter {
        state: Some(Transport::Ready),
        endpoint: Some(endpoint.into()),
        ..DeliveryFilter::default()
    };
    for row in hub.deliveries(filter, ALL).await.unwrap() {
        let number: usize = row.key.business_key.rsplit('-').next().unwrap().parse().unwrap();
        if format!("order-{}", number % KEYS) == order && row.lane_sequence > sequence {
            // Another may have been quicker.
            drop(operate(hub, row.id, Operation::Withdraw, at(2)).await);
            return;
        }
    }
}

/// What is not final yet.
async fn left(hub: &PostgresStore) -> Vec<(String, Transport, u64)> {
    let rows = hub.deliveries(DeliveryFilter::default(), ALL).await.unwrap();
    let open = rows.into_iter().filter(|row| !row.state.is_final());
    open.map(|row| (row.key.business_key.to_string(), row.state, row.lane_sequence)).collect()
}

/// Hands everything in and carries it out at two hubs, `beside` something else; all of it ends, in order.
async fn carried_out(place: &Postgres, beside: impl AsyncFnOnce(&Mutex<Watch>)) {
    let hubs = hubs(place).await;
    let (watch, end) = (Mutex::new(Watch::default()), AtomicBool::new(false));
    let workers = futures::future::join_all((0..4).map(|worker| carry_out(&hubs[worker % 2], &watch, &end)));
    let senders = async {
        futures::future::join_all((0..SENDERS).map(|sender| hand_in(&hubs[sender % 2], sender))).await;
        let finished = async {
            while !left(&hubs[0]).await.is_empty() {
                tokio::task::yield_now().await;
            }
        };
        // What is stuck is told below.
        drop(tokio::time::timeout(std::time::Duration::from_mins(1), finished).await);
        end.store(true, Ordering::Relaxed);
    };
    tokio::join!(senders, workers, beside(&watch));

    let left = left(&hubs[0]).await;
    assert!(left.is_empty(), "{:?}, and yet these are not final: {left:?}", hubs[0].waiting(at(5)).await);
    for (lane, done) in &watch.lock().unwrap().done {
        assert!(done.is_sorted_by(|before, after| before < after), "{lane:?}: {done:?}");
    }
    let counted: u64 = hubs[1].counts().await.unwrap().iter().map(|row| row.deliveries).sum();
    assert_eq!(counted, ALL_DELIVERIES as u64);
    assert!(hubs[0].expired(at(999), 10).await.unwrap().is_empty(), "every lease was settled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn lanes_stay_in_order_and_none_is_stuck_when_hubs_accept_and_settle_at_once() {
    carried_out(&Postgres::new(), async |_| {}).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn hubs_go_on_while_a_later_version_adds_to_every_table() {
    let place = Postgres::new();
    let widen = async |watch: &Mutex<Watch>| {
        let done = || watch.lock().unwrap().done.values().map(Vec::len).sum::<usize>();
        while done() == 0 {
            tokio::task::yield_now().await;
        }
        let database = place.database().await;
        let tables = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace \
                      AND relkind IN ('r', 'p') AND NOT relispartition";
        let tables = database.run(tables).await;
        assert!(tables.len() > 10, "{tables:?}");
        for table in tables {
            let table: String = table.get(0);
            let sql = format!("ALTER TABLE {table} ADD COLUMN later text NOT NULL DEFAULT 'later'; SELECT 1");
            database.run(&sql).await;
        }
        assert!(done() < ALL_DELIVERIES, "it was all done before");
    };
    carried_out(&place, widen).await;
}
