//! A department's system over a real socket: it does with each request what its script says, and keeps a
//! ledger of what it saw.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::{
    io::BufReader,
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinSet,
};

use super::wire::{self, Answer, Request};

/// What it says when it has taken a delivery.
pub(crate) const TAKEN: &str = r#"{"code":0}"#;

/// What a department does with one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// Keeps it and says so.
    Take,
    /// Keeps it and says so after a while.
    TakeAfter(Duration),
    /// Keeps it and breaks the connection instead of answering.
    Cut,
    /// Breaks the connection and keeps nothing.
    Lose,
    /// Keeps nothing and never answers.
    Hang,
    /// Keeps nothing and gives this answer.
    Say(Answer),
}

/// Keeps nothing; the status alone tells.
pub(crate) fn status(status: u16) -> Behaviour {
    say(status, r#"{"code":500,"msg":"系统繁忙"}"#)
}

/// Keeps nothing; status and body tell.
pub(crate) fn say(status: u16, body: &str) -> Behaviour {
    Behaviour::Say(Answer::new(status, body))
}

/// One delivery as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    /// Its id, as the header says.
    pub(crate) delivery: String,
    /// What the hub authenticated itself with.
    pub(crate) authorization: String,
    /// Its body.
    pub(crate) body: Vec<u8>,
    /// How often the delivery has come, this time included.
    pub(crate) times: usize,
    /// When.
    pub(crate) at: Instant,
    /// What was done with it.
    pub(crate) done: Behaviour,
}

impl Arrival {
    /// A text of its body.
    pub(crate) fn text(&self, field: &str) -> String {
        let body: Value = serde_json::from_slice(&self.body).unwrap();
        body[field].as_str().unwrap_or_else(|| panic!("no {field} in {body}")).to_owned()
    }
}

/// What a department saw.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Everything, in order.
    pub(crate) arrivals: Vec<Arrival>,
    /// Each delivery once, in the order of first sight.
    pub(crate) first_seen: Vec<(String, Value)>,
    /// How often each came.
    pub(crate) times: HashMap<String, usize>,
    /// The deliveries it keeps.
    pub(crate) kept: HashSet<String>,
    /// The deliveries it was asked about, in order.
    pub(crate) questions: Vec<String>,
}

type Script = Box<dyn FnMut(&Arrival) -> Behaviour + Send>;

struct Inner {
    address: SocketAddr,
    ledger: Mutex<Ledger>,
    script: Mutex<Script>,
    reply: Mutex<Option<Answer>>,
    door: Mutex<Option<Door>>,
}

/// The port is never given away, so that nobody else finds himself behind it.
enum Door {
    Open(JoinSet<()>),
    Shut(TcpSocket),
}

/// A department; it takes everything unless told otherwise. Copies are the same department.
#[derive(Clone)]
pub(crate) struct Department(Arc<Inner>);

impl fmt::Debug for Department {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Department").field("address", &self.0.address).finish_non_exhaustive()
    }
}

impl Department {
    /// Opens its door at `address`; port 0 is any. It stays open as long as the test's runtime.
    pub(crate) async fn open(address: &str) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let department = Self(Arc::new(Inner {
            address: listener.local_addr().unwrap(),
            ledger: Mutex::default(),
            script: Mutex::new(Box::new(|_| Behaviour::Take)),
            reply: Mutex::default(),
            door: Mutex::default(),
        }));
        department.serve(listener);
        department
    }

    /// Opens its door somewhere.
    pub(crate) async fn anywhere() -> Self {
        Self::open("127.0.0.1:0").await
    }

    /// Where it is.
    pub(crate) fn address(&self) -> String {
        self.0.address.to_string()
    }

    /// Does from now on what `script` says.
    pub(crate) fn behave(&self, script: impl FnMut(&Arrival) -> Behaviour + Send + 'static) {
        *lock(&self.0.script) = Box::new(script);
    }

    /// Answers questions so from now on; with nothing, truly.
    pub(crate) fn reply_to_questions(&self, reply: Option<Answer>) {
        *lock(&self.0.reply) = reply;
    }

    /// Its system is down: connections end, and new ones are refused.
    pub(crate) async fn shut(&self) {
        let door = lock(&self.0.door).take();
        let Some(Door::Open(mut tasks)) = door else { panic!("the door is shut already") };
        tasks.shutdown().await;
        let place = TcpSocket::new_v4().unwrap();
        place.set_reuseaddr(true).unwrap();
        place.bind(self.0.address).unwrap();
        *lock(&self.0.door) = Some(Door::Shut(place));
    }

    /// Its system is back.
    pub(crate) fn reopen(&self) {
        let door = lock(&self.0.door).take();
        let Some(Door::Shut(place)) = door else { panic!("the door is open already") };
        self.serve(place.listen(1024).unwrap());
    }

    /// Looks into the ledger.
    pub(crate) fn look<T>(&self, see: impl FnOnce(&Ledger) -> T) -> T {
        see(&lock(&self.0.ledger))
    }

    /// How many deliveries it keeps.
    pub(crate) fn kept(&self) -> usize {
        self.look(|ledger| ledger.kept.len())
    }

    /// How many requests came.
    pub(crate) fn arrivals(&self) -> usize {
        self.look(|ledger| ledger.arrivals.len())
    }

    fn serve(&self, listener: TcpListener) {
        let department = self.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(department.clone().converse(stream));
                while connections.try_join_next().is_some() {}
            }
        });
        *lock(&self.0.door) = Some(Door::Open(tasks));
    }

    async fn converse(self, stream: TcpStream) {
        drop(stream.set_nodelay(true));
        let mut stream = BufReader::new(stream);
        while let Some(request) = wire::read(&mut stream).await {
            let Some(answer) = self.answer(&mut stream, request).await else { return };
            if !wire::write(&mut stream, &answer).await {
                return;
            }
        }
    }

    /// The answer; none when the connection is to end without one.
    async fn answer(&self, stream: &mut BufReader<TcpStream>, request: Request) -> Option<Answer> {
        if request.method == "GET" {
            return Some(self.say_whether_it_is_here(&request));
        }
        match self.meet(request) {
            Behaviour::Take => Some(Answer::new(200, TAKEN)),
            Behaviour::TakeAfter(delay) => {
                tokio::time::sleep(delay).await;
                Some(Answer::new(200, TAKEN))
            }
            Behaviour::Say(answer) => Some(answer),
            Behaviour::Cut | Behaviour::Lose => None,
            Behaviour::Hang => {
                wire::until_closed(stream).await;
                None
            }
        }
    }

    fn meet(&self, request: Request) -> Behaviour {
        let delivery = request.header("x-delivery-id").unwrap_or_default();
        let mut ledger = lock(&self.0.ledger);
        let times = ledger.times.entry(delivery.clone()).or_default();
        *times += 1;
        let mut arrival = Arrival {
            delivery: delivery.clone(),
            authorization: request.header("authorization").unwrap_or_default(),
            body: request.body,
            times: *times,
            at: Instant::now(),
            done: Behaviour::Take,
        };
        arrival.done = lock(&self.0.script)(&arrival);
        if arrival.times == 1 {
            let body = serde_json::from_slice(&arrival.body).unwrap_or_default();
            ledger.first_seen.push((delivery.clone(), body));
        }
        if matches!(arrival.done, Behaviour::Take | Behaviour::TakeAfter(_) | Behaviour::Cut) {
            ledger.kept.insert(delivery);
        }
        let done = arrival.done.clone();
        ledger.arrivals.push(arrival);
        done
    }

    /// `GET …?delivery=ID`.
    fn say_whether_it_is_here(&self, request: &Request) -> Answer {
        let delivery = request.query("delivery").unwrap_or_default();
        let mut ledger = lock(&self.0.ledger);
        let truly = json!({ "found": ledger.kept.contains(&delivery) });
        ledger.questions.push(delivery);
        let reply = lock(&self.0.reply).clone();
        reply.unwrap_or_else(|| Answer::new(200, &truly.to_string()))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
