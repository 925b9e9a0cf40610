//! The disk of the database is full: intake says "try later", nothing is torn, and all goes on when there is room.
//!
//! On a disk of its own that is really full, where the tests may mount one; elsewhere the server says what it says
//! then (SQLSTATE 53100), from a trigger.

use super::{arrived, hub_at};
use crate::harness::{
    database::{Server, run},
    department::Department,
    disk::SmallDisk,
    hub::eventually,
    sender::{Answer, BUREAU, Sender, result},
};

/// Room for an empty database, and a little more.
const MEGABYTES: u32 = 40;
/// Messages that find room in pages which were there already, at most.
const LAST: usize = 5_000;

const SAYS_FULL: &str = "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
    RAISE EXCEPTION USING ERRCODE = 'disk_full', MESSAGE = 'could not extend file'; END $$; \
    CREATE TRIGGER full_disk BEFORE INSERT ON trail_unsealed FOR EACH STATEMENT EXECUTE FUNCTION full_disk()";

/// The disk under the hub's database.
struct Disk {
    url: String,
    small: Option<SmallDisk>,
}

impl Disk {
    async fn new(server: &Server) -> Self {
        let small = SmallDisk::mount(MEGABYTES, server.account());
        let url = match &small {
            Some(disk) => {
                let place = disk.place();
                let make = format!("CREATE TABLESPACE small LOCATION '{}'", place.display());
                run(&server.url(), &make).await;
                server.database("hub", "TABLESPACE small").await
            }
            None => server.database("hub", "").await,
        };
        Self { url, small }
    }

    async fn fill(&self) {
        if let Some(disk) = &self.small {
            disk.fill();
        } else {
            run(&self.url, SAYS_FULL).await;
        }
    }

    async fn free(&self) {
        if let Some(disk) = &self.small {
            disk.free();
        } else {
            run(&self.url, "DROP FUNCTION full_disk CASCADE; SELECT 1").await;
        }
    }
}

/// Sends until it is refused; what was accepted, and the refusal.
async fn until_refused(bureau: &Sender) -> (Vec<Answer>, Answer) {
    let mut accepted = Vec::new();
    loop {
        let answer = bureau.send(&result(&format!("JY1-{}", accepted.len()), "JY1")).await;
        if answer.status != 201 {
            return (accepted, answer);
        }
        accepted.push(answer);
        assert!(accepted.len() < LAST, "a full disk takes everything");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_of_the_database_answers_unavailable_and_tears_nothing() {
    let (server, target) = (Server::start(), Department::anywhere().await);
    let disk = Disk::new(&server).await;
    let mut hub = hub_at(&disk.url, &target);
    hub.start();
    let bureau = Sender::at(&hub, BUREAU);
    disk.fill().await;
    let (accepted, refused) = until_refused(&bureau).await;
    assert_eq!((refused.status, refused.code().as_str()), (503, "unavailable"), "{}", refused.json());
    let stored = "SELECT (SELECT count(*) FROM message_key), (SELECT count(*) FROM message), \
                  (SELECT count(*) FROM delivery)";
    let row = &run(&disk.url, stored).await[0];
    let counts: Vec<usize> = (0..3).map(|at| row.get::<_, i64>(at).try_into().unwrap()).collect();
    assert_eq!(counts, [accepted.len(); 3], "a message is there whole or not at all");
    assert_eq!(hub.probe("/livez").await.unwrap().0, 200);

    disk.free().await;
    bureau.until_answered(&result(&format!("JY1-{}", accepted.len()), "JY1"), 201).await;
    for (number, first) in accepted.iter().enumerate() {
        let again = bureau.send(&result(&format!("JY1-{number}"), "JY1")).await;
        assert_eq!((again.status, again.statement()), (200, first.statement()));
    }
    let all = accepted.len() + 1;
    eventually("all have arrived", || target.kept() == all).await;
    assert_eq!(arrived(&target)["JY1"], (0..all).collect::<Vec<_>>());
    assert_eq!(hub.stop(), Some(0));
    let report = hub.ask(&["seal", "verify"]);
    assert_eq!(report["report"]["entries"], report["report"]["sealed"], "{report}");
}
