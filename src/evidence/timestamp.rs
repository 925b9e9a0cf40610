//! Time stamps of an authority (RFC 3161): that a text was there at a time which somebody else vouches for.
//!
//! Promises that a stamp counts only where all of it fits: the digest and the nonce that were asked about, the signed
//! attributes, the signature, the certificate named in them, and its chain to a configured authority at the time of
//! the stamp, for the purpose of time stamping. The hash is SHA-256; certificates are of RSA or ECDSA (an authority
//! that signs with SM2, GM/T 0033, is not read). Leaves asking the authority, and keeping its stamps, to others.

use cms::{
    content_info::ContentInfo,
    signed_data::{SignedData, SignerIdentifier, SignerInfo},
};
use jiff::Timestamp;
use ring::digest;
use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime, pem::PemObject as _};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_cert::{
    Certificate,
    der::{
        Any, Decode as _, Encode as _, Reader as _, SliceReader, Tag, Tagged as _,
        asn1::{Int, ObjectIdentifier, OctetString},
    },
    spki::AlgorithmIdentifier,
};
use x509_tsp::{MessageImprint, TimeStampReq, TimeStampResp, TspVersion, TstInfo};

use super::digest::Digest;

/// Longest answer that is read.
pub const MAX_ANSWER_BYTES: usize = 64 * 1024;

const SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const SHA_384: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2");
const SHA_512: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3");
/// What a stamp is about (RFC 3161, section 2.4.2).
const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
/// Names the certificate by SHA-1 (RFC 2634), as old authorities do.
const SIGNING_CERTIFICATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.12");
/// Names it by another hash (RFC 5035).
const SIGNING_CERTIFICATE_V2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");
/// id-kp-timeStamping.
const TIME_STAMPING: KeyUsage = KeyUsage::required(&[0x2b, 6, 1, 5, 5, 7, 3, 8]);

/// Why there is no stamp, or why it does not count.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes for a question; check its random source")]
    Random(#[source] getrandom::Error),
    /// The authority said no.
    #[error("the authority refused: {0}")]
    Refused(String),
    /// Bytes that are no answer.
    #[error("the answer cannot be read: {0}")]
    Unreadable(String),
    /// Not what was asked about.
    #[error("the stamp is about {0}")]
    Another(&'static str),
    /// A signature or certificate that does not fit.
    #[error("the stamp does not hold: {0}")]
    Unsound(&'static str),
    /// The chain of certificates.
    #[error("the certificate of the stamp does not lead to a configured authority: {0}")]
    Chain(#[source] webpki::Error),
    /// No certificates of authorities.
    #[error("there is no certificate of an authority in the file")]
    NoAuthority,
}

impl From<x509_cert::der::Error> for Error {
    fn from(error: x509_cert::der::Error) -> Self {
        Self::Unreadable(error.to_string())
    }
}

/// Authorities whose stamps count.
#[derive(Clone, Debug)]
pub struct Authorities(Vec<TrustAnchor<'static>>);

impl Authorities {
    /// Reads one or more certificates in PEM form.
    pub fn from_pem(pem: &[u8]) -> Result<Self, Error> {
        let mut anchors = Vec::new();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| Error::Unreadable(error.to_string()))?;
            anchors.push(anchor_from_trusted_cert(&certificate).map_err(Error::Chain)?.to_owned());
        }
        if anchors.is_empty() { Err(Error::NoAuthority) } else { Ok(Self(anchors)) }
    }
}

/// What an authority is asked.
#[derive(Debug)]
pub struct Question {
    digest: Digest,
    nonce: [u8; 9],
}

impl Question {
    /// About a text.
    pub fn about(text: &[u8]) -> Result<Self, Error> {
        let mut nonce = [0; 9];
        getrandom::fill(&mut nonce).map_err(Error::Random)?;
        // A positive number whose length does not vary.
        nonce[0] = 1;
        Ok(Self { digest: Digest::of(text), nonce })
    }

    /// As it is sent.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let question = TimeStampReq {
            version: TspVersion::V1,
            message_imprint: imprint(&self.digest)?,
            req_policy: None,
            nonce: Some(Int::new(&self.nonce)?),
            cert_req: true,
            extensions: None,
        };
        Ok(question.to_der()?)
    }

    /// The stamp in the answer, if all of it fits.
    pub fn answered(&self, answer: &[u8], authorities: &Authorities) -> Result<Stamp, Error> {
        let answer = TimeStampResp::from_der(answer)?;
        let Some(token) = answer.time_stamp_token else {
            return Err(Error::Refused(format!("{:?}", answer.status)));
        };
        let token = token.to_der()?;
        let (stamp, nonce) = read(token, &self.digest, authorities)?;
        if nonce.is_none_or(|nonce| nonce.as_bytes() != self.nonce) {
            return Err(Error::Another("another question: its nonce is not ours"));
        }
        Ok(stamp)
    }
}

/// A stamp that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// When the authority says that it saw the text.
    pub time: Timestamp,
    /// The stamp's own bytes, to be kept (`TimeStampToken`, which `openssl ts -verify -token_in` reads).
    pub token: Vec<u8>,
}

/// Checks a stamp that was kept against its text.
pub fn verify(token: &[u8], text: &[u8], authorities: &Authorities) -> Result<Stamp, Error> {
    read(token.to_vec(), &Digest::of(text), authorities).map(|(stamp, _)| stamp)
}

fn imprint(digest: &Digest) -> Result<MessageImprint, Error> {
    let hash_algorithm = AlgorithmIdentifier { oid: SHA_256, parameters: Some(Any::null()) };
    Ok(MessageImprint { hash_algorithm, hashed_message: OctetString::new(digest.as_bytes().as_slice())? })
}

fn read(token: Vec<u8>, digest: &Digest, authorities: &Authorities) -> Result<(Stamp, Option<Int>), Error> {
    let envelope = ContentInfo::from_der(&token)?;
    if envelope.content_type != SIGNED_DATA {
        return Err(Error::Another("something else: it is no signed data"));
    }
    let signed: SignedData = envelope.content.decode_as()?;
    let content = signed.encap_content_info.econtent.as_ref();
    let content = content.filter(|_| signed.encap_content_info.econtent_type == TST_INFO);
    let content = content.ok_or(Error::Another("something else: it has no time stamp"))?.value();
    let info = TstInfo::from_der(content)?;
    let imprint = &info.message_imprint;
    if imprint.hash_algorithm.oid != SHA_256 || imprint.hashed_message.as_bytes() != digest.as_bytes() {
        return Err(Error::Another("another text"));
    }
    let since_epoch = info.gen_time.to_unix_duration();
    let time =
        i64::try_from(since_epoch.as_secs()).ok().and_then(|second| Timestamp::from_second(second).ok());
    let time = time.ok_or(Error::Unsound("its time is out of range"))?;
    let [signer] = signed.signer_infos.0.as_slice() else {
        return Err(Error::Unsound("it has not exactly one signature"));
    };
    let certificates = certificates(&signed)?;
    let named = certificates.iter().find(|(certificate, _)| is_of(certificate, signer));
    let (_, certificate) = named.ok_or(Error::Unsound("the certificate that signed is not in it"))?;
    check_attributes(signer, content, certificate)?;
    check_signature(signer, certificate)?;
    let chain: Vec<_> = certificates.iter().map(|(_, der)| CertificateDer::from(der.as_slice())).collect();
    let leaf = CertificateDer::from(certificate.as_slice());
    let leaf = EndEntityCert::try_from(&leaf).map_err(Error::Chain)?;
    let algorithms = webpki::ALL_VERIFICATION_ALGS;
    let at = UnixTime::since_unix_epoch(since_epoch);
    leaf.verify_for_usage(algorithms, &authorities.0, &chain, at, TIME_STAMPING, None, None)
        .map_err(Error::Chain)?;
    Ok((Stamp { time, token }, info.nonce))
}

/// The certificates in it, each with its bytes.
fn certificates(signed: &SignedData) -> Result<Vec<(Certificate, Vec<u8>)>, Error> {
    let mut found = Vec::new();
    for choice in signed.certificates.iter().flat_map(|set| set.0.iter()) {
        let der = choice.to_der()?;
        if let Ok(certificate) = Certificate::from_der(&der) {
            found.push((certificate, der));
        }
    }
    Ok(found)
}

fn is_of(certificate: &Certificate, signer: &SignerInfo) -> bool {
    let certificate = &certificate.tbs_certificate;
    match &signer.sid {
        SignerIdentifier::IssuerAndSerialNumber(named) => {
            named.issuer == certificate.issuer && named.serial_number == certificate.serial_number
        }
        SignerIdentifier::SubjectKeyIdentifier(_) => false,
    }
}

/// The value of a signed attribute that must be there once.
fn attribute<'s>(signer: &'s SignerInfo, name: &ObjectIdentifier) -> Option<&'s Any> {
    let attributes = signer.signed_attrs.as_ref()?;
    let mut found = attributes.iter().filter(|attribute| attribute.oid == *name);
    let values = &found.next().filter(|_| found.next().is_none())?.values;
    values.get(0).filter(|_| values.len() == 1)
}

/// That what is signed speaks of this content and of this certificate (RFC 5652, section 11; RFC 3161, section 2.4.2).
fn check_attributes(signer: &SignerInfo, content: &[u8], certificate: &[u8]) -> Result<(), Error> {
    let kind = attribute(signer, &CONTENT_TYPE).and_then(|kind| kind.decode_as::<ObjectIdentifier>().ok());
    if kind != Some(TST_INFO) {
        return Err(Error::Unsound("what is signed is of another type"));
    }
    let signed = attribute(signer, &MESSAGE_DIGEST).and_then(|value| value.decode_as::<OctetString>().ok());
    let computed = hash(&signer.digest_alg.oid, content);
    if computed.is_none() || signed.as_ref().map(OctetString::as_bytes) != computed.as_deref() {
        return Err(Error::Unsound("its content is not what was signed"));
    }
    let named = match (attribute(signer, &SIGNING_CERTIFICATE_V2), attribute(signer, &SIGNING_CERTIFICATE)) {
        (Some(value), _) => named_certificate(value)?,
        (None, Some(value)) => {
            let (_, named) = named_certificate(value)?;
            let computed = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, certificate);
            return if computed.as_ref() == named { Ok(()) } else { Err(other_certificate()) };
        }
        (None, None) => return Err(Error::Unsound("it does not name the certificate that signed")),
    };
    let (algorithm, named) = named;
    match hash(&algorithm.unwrap_or(SHA_256), certificate) {
        Some(computed) if computed == named => Ok(()),
        _ => Err(other_certificate()),
    }
}

fn other_certificate() -> Error {
    Error::Unsound("another certificate is named than the one that signed")
}

/// The first certificate that a `SigningCertificate` or `SigningCertificateV2` names: hash algorithm, and hash.
fn named_certificate(value: &Any) -> Result<(Option<ObjectIdentifier>, Vec<u8>), Error> {
    if value.tag() != Tag::Sequence {
        return Err(Error::Unsound("the name of the certificate cannot be read"));
    }
    let mut reader = SliceReader::new(value.value())?;
    let list = Any::decode(&mut reader)?;
    let first = Any::decode(&mut SliceReader::new(list.value())?)?;
    let mut reader = SliceReader::new(first.value())?;
    let algorithm = match reader.peek_header()?.tag {
        Tag::Sequence => Some(AlgorithmIdentifier::<Any>::decode(&mut reader)?.oid),
        _ => None,
    };
    Ok((algorithm, OctetString::decode(&mut reader)?.as_bytes().to_vec()))
}

fn check_signature(signer: &SignerInfo, certificate: &[u8]) -> Result<(), Error> {
    let attributes =
        signer.signed_attrs.as_ref().ok_or(Error::Unsound("nothing in it is signed"))?.to_der()?;
    let certificate = CertificateDer::from(certificate);
    let certificate = EndEntityCert::try_from(&certificate).map_err(Error::Chain)?;
    let signature = signer.signature.as_bytes();
    let holds = webpki::ALL_VERIFICATION_ALGS
        .iter()
        .any(|algorithm| certificate.verify_signature(*algorithm, &attributes, signature).is_ok());
    if holds { Ok(()) } else { Err(Error::Unsound("its signature does not fit its certificate")) }
}

fn hash(algorithm: &ObjectIdentifier, bytes: &[u8]) -> Option<Vec<u8>> {
    let algorithm = match *algorithm {
        SHA_256 => &digest::SHA256,
        SHA_384 => &digest::SHA384,
        SHA_512 => &digest::SHA512,
        _ => return None,
    };
    Some(digest::digest(algorithm, bytes).as_ref().to_vec())
}
