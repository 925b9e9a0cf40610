//! The session with a PKCS#11 token: opened when it is needed, and anew after a fault.
//!
//! Promises that a fault leaves nothing behind: the session is closed and the library set back, so that a device
//! which was away, or unplugged, is found again by the next order. Every call may block for as long as the device does.

use cryptoki::{
    context::{CInitializeArgs, CInitializeFlags, Pkcs11},
    error::{Error, RvError},
    mechanism::{
        Mechanism,
        eddsa::{EddsaParams, EddsaSignatureScheme},
    },
    object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle},
    session::{Session, UserType},
    slot::Slot,
    types::AuthPin,
};

use super::pkcs11::Options;

/// Curve of Ed25519 as PKCS#11 names it: the printable string "edwards25519".
const EDWARDS_25519: &[u8] = b"\x13\x0cedwards25519";
/// DER of a string of 32 bytes, as the standard has the point; some devices give the bytes alone.
const OCTETS_32: &[u8] = &[0x04, 0x20];

/// Why the device did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// The library or the device said so.
    #[error("{0}")]
    Device(#[from] Error),
    /// There is no such token now.
    #[error("it has no token '{0}' now; it may be away, or device.token is another")]
    NoToken(Box<str>),
    /// There is no such private key.
    #[error("it has no private key '{0}'")]
    NoKey(Box<str>),
    /// A key that must not be there.
    #[error("it has a key '{0}' already")]
    Exists(Box<str>),
    /// A key of another kind.
    #[error("key '{0}' is not one for Ed25519, and no other algorithm is built for devices")]
    OtherKind(Box<str>),
}

/// Keeps the session.
pub(super) struct Keeper {
    options: Options,
    session: Option<(Pkcs11, Session)>,
}

impl Keeper {
    pub(super) fn new(options: Options) -> Self {
        Self { options, session: None }
    }

    /// The public key of a label, where there is one.
    pub(super) fn find(&mut self, label: &str) -> Result<Option<[u8; 32]>, Fault> {
        self.with(|session| public_key(session, label))
    }

    /// Makes a key pair.
    pub(super) fn make(&mut self, label: &str) -> Result<[u8; 32], Fault> {
        self.with(|session| {
            if public_key(session, label)?.is_some() {
                return Err(Fault::Exists(label.into()));
            }
            let named = |class| [Attribute::Token(true), Attribute::Label(label.into()), class];
            let public = [
                Attribute::Verify(true),
                Attribute::Private(false),
                Attribute::EcParams(EDWARDS_25519.to_vec()),
            ];
            let private =
                [Attribute::Sensitive(true), Attribute::Extractable(false), Attribute::Private(true)];
            let public = [&named(Attribute::Id(label.into()))[..], &public].concat();
            let private =
                [&named(Attribute::Id(label.into()))[..], &private, &[Attribute::Sign(true)]].concat();
            session.generate_key_pair(&Mechanism::EccEdwardsKeyPairGen, &public, &private)?;
            public_key(session, label)?.ok_or_else(|| Fault::NoKey(label.into()))
        })
    }

    /// Signs exactly these bytes.
    pub(super) fn sign(&mut self, label: &str, message: &[u8]) -> Result<Vec<u8>, Fault> {
        self.with(|session| {
            let key = one(session, ObjectClass::PRIVATE_KEY, label)?;
            let key = key.ok_or_else(|| Fault::NoKey(label.into()))?;
            let mechanism = Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Pure));
            Ok(session.sign(&mechanism, key, message)?)
        })
    }

    /// Does it in the session that there is, or else in a new one: an old one may have ended without a word. What is
    /// asked for can be asked for twice.
    fn with<T>(&mut self, ask: impl Fn(&Session) -> Result<T, Fault>) -> Result<T, Fault> {
        if let Some((_, session)) = &self.session {
            match ask(session) {
                Err(Fault::Device(_) | Fault::NoKey(_)) => self.forget(),
                done => return done,
            }
        }
        let (context, session) = open(&self.options)?;
        let done = ask(&session);
        self.session = Some((context, session));
        if let Err(Fault::Device(_)) = &done {
            self.forget();
        }
        done
    }

    /// Ends the session and sets the library back: it looks for its tokens when it begins.
    pub(super) fn forget(&mut self) {
        if let Some((context, session)) = self.session.take() {
            drop(session);
            end(context);
        }
    }
}

fn end(context: Pkcs11) {
    if let Err(error) = context.finalize() {
        tracing::debug!(%error, "library of the signing device did not end in order");
    }
}

fn open(options: &Options) -> Result<(Pkcs11, Session), Fault> {
    let context = Pkcs11::new(&options.library)?;
    match context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
        Err(error) => return Err(error.into()),
    }
    match session(&context, options) {
        Ok(session) => Ok((context, session)),
        Err(fault) => {
            end(context);
            Err(fault)
        }
    }
}

fn session(context: &Pkcs11, options: &Options) -> Result<Session, Fault> {
    let slot = token(context, &options.token)?.ok_or_else(|| Fault::NoToken(options.token.clone()))?;
    let session = context.open_rw_session(slot)?;
    let pin = AuthPin::from(options.pin.expose().to_owned());
    match session.login(UserType::User, Some(&pin)) {
        Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(session),
        Err(error) => Err(error.into()),
    }
}

fn token(context: &Pkcs11, label: &str) -> Result<Option<Slot>, Error> {
    for slot in context.get_slots_with_initialized_token()? {
        if context.get_token_info(slot)?.label().trim_end() == label {
            return Ok(Some(slot));
        }
    }
    Ok(None)
}

fn one(session: &Session, class: ObjectClass, label: &str) -> Result<Option<ObjectHandle>, Error> {
    let template = [Attribute::Class(class), Attribute::Label(label.into())];
    Ok(session.find_objects(&template)?.into_iter().next())
}

fn public_key(session: &Session, label: &str) -> Result<Option<[u8; 32]>, Fault> {
    let Some(key) = one(session, ObjectClass::PUBLIC_KEY, label)? else { return Ok(None) };
    let (mut is_edwards, mut point) = (false, None);
    for attribute in session.get_attributes(key, &[AttributeType::KeyType, AttributeType::EcPoint])? {
        match attribute {
            Attribute::KeyType(kind) => is_edwards = kind == KeyType::EC_EDWARDS,
            Attribute::EcPoint(bytes) => point = Some(bytes),
            _ => {}
        }
    }
    let point = point.filter(|_| is_edwards).and_then(|point| {
        let bytes = point.strip_prefix(OCTETS_32).unwrap_or(&point);
        <[u8; 32]>::try_from(bytes).ok()
    });
    point.map(Some).ok_or_else(|| Fault::OtherKind(label.into()))
}
