//! Parties of the demo: departmental systems, each with a web service or a folder of its own, that speak
//! to the hub only over sockets and files.
//!
//! A party lives by its script (`config/demo/parties/<endpoint>.toml`) and its message files
//! (`config/demo/messages/<endpoint>/`). It shares no state with the hub; what it saw stands in its ledger.

pub mod desk;
pub mod fault;
mod folder;
pub mod ledger;
pub mod post;
pub mod publish;
pub mod script;
mod web;
mod wire;

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use self::{
    desk::{Desk, Letter},
    post::{Post, Sent, Sheet},
    script::{Channel, Script},
    wire::Address,
};
use crate::{domain::id::EndpointId, port::clock::Clock};

/// A party that is set up and not yet at work.
#[derive(Debug)]
pub struct Party {
    desk: Arc<Desk>,
    letters: mpsc::Receiver<Letter>,
    address: Option<Address>,
}

/// Where a party finds the hub, and the hub the party.
#[derive(Clone, Debug)]
pub struct Way {
    /// How it sends, if it does.
    pub post: Option<Post>,
    /// Folder in which it finds its deliveries, when it takes files.
    pub inbox: Option<PathBuf>,
}

/// A party at work.
#[derive(Debug)]
pub struct AtWork {
    desk: Arc<Desk>,
    way: Way,
    book: Mutex<Vec<Sent>>,
    busy: AtomicUsize,
}

impl Party {
    /// Sets a party up; an HTTP party takes its port.
    pub fn new(script: Script, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let by_http = script.receives.as_ref().is_some_and(|receives| receives.by == Channel::Http);
        let address = if by_http { Some(Address::take()?) } else { None };
        let (desk, letters) = Desk::new(script, clock);
        Ok(Self { desk, letters, address })
    }

    /// Its script.
    pub fn script(&self) -> &Script {
        self.desk.script()
    }

    /// Where its web service is, if it has one.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address.as_ref().map(Address::at)
    }

    /// Goes to work. The futures run until `stop`; whoever calls spawns them.
    pub fn start(self, way: Way, stop: &CancellationToken) -> (Arc<AtWork>, Work) {
        let party = Arc::new(AtWork {
            desk: Arc::clone(&self.desk),
            way: way.clone(),
            book: Mutex::default(),
            busy: AtomicUsize::new(0),
        });
        let work = Work {
            desk: self.desk,
            address: self.address,
            inbox: way.inbox,
            letters: self.letters,
            party: Arc::clone(&party),
            stop: stop.clone(),
        };
        (party, work)
    }
}

/// What a party does all day.
#[derive(Debug)]
pub struct Work {
    desk: Arc<Desk>,
    address: Option<Address>,
    inbox: Option<PathBuf>,
    letters: mpsc::Receiver<Letter>,
    party: Arc<AtWork>,
    stop: CancellationToken,
}

impl Work {
    /// Receives and answers until stopped.
    pub async fn run(mut self) -> io::Result<()> {
        let receiving = async {
            match (self.address, self.inbox) {
                (Some(address), _) => web::serve(Arc::clone(&self.desk), address, self.stop.clone()).await,
                (None, Some(inbox)) => folder::watch(Arc::clone(&self.desk), inbox, self.stop.clone()).await,
                (None, None) => Ok(()),
            }
        };
        let answering = async {
            loop {
                tokio::select! {
                    letter = self.letters.recv() => match letter {
                        Some(letter) => self.party.mail(letter).await,
                        None => return,
                    },
                    () = self.stop.cancelled() => return,
                }
            }
        };
        let (received, ()) = tokio::join!(receiving, answering);
        received
    }
}

impl AtWork {
    /// Where it stands.
    pub fn endpoint(&self) -> &EndpointId {
        &self.desk.script().endpoint
    }

    /// The folder into which it puts its files and in which the hub answers them, when it sends files.
    pub fn drop_folder(&self) -> Option<&Path> {
        match &self.way.post {
            Some(Post::Folder(folder)) => Some(folder),
            Some(Post::Http { .. } | Post::Amqp(_)) | None => None,
        }
    }

    /// Its desk.
    pub fn desk(&self) -> &Desk {
        &self.desk
    }

    /// What the hub answered to its posts so far.
    pub fn book(&self) -> Vec<Sent> {
        self.lock().clone()
    }

    /// Whether nothing of it is on the way: no letter half posted, no file unread.
    pub fn is_idle(&self) -> bool {
        let clear = |folder: &Path| folder::is_empty(folder).unwrap_or(false);
        let taken_in = self.drop_folder().is_none_or(clear);
        let read = self.way.inbox.as_deref().is_none_or(clear);
        taken_in && read && self.desk.waiting() == 0 && self.busy.load(Ordering::Acquire) == 0
    }

    /// Hands one message file in.
    pub async fn hand_in(&self, sheet: &Sheet) {
        self.busy.fetch_add(1, Ordering::AcqRel);
        match &self.way.post {
            None => self.desk.note(format!("{}: this party has no way to send", sheet.name)),
            Some(post) => match post.send(sheet).await {
                Ok(Some(sent)) => self.lock().push(sent),
                Ok(None) => {}
                Err(error) => self.desk.note(format!("{}: {}", sheet.name, desk::chain(&error))),
            },
        }
        self.busy.fetch_sub(1, Ordering::AcqRel);
    }

    async fn mail(&self, letter: Letter) {
        match &self.desk.script().sends {
            None => self.desk.note(format!("{}: this party has no way to send", letter.name)),
            Some(sends) => {
                let name = format!("{}.{}", letter.name, sends.extension);
                let bytes = desk::encode(sends.encoding, &letter.body);
                self.hand_in(&Sheet { name, bytes }).await;
            }
        }
        self.desk.handed_in();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Sent>> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
