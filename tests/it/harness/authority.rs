//! An authority of one test's own, and the certificates that it signs.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};

/// A certificate authority.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate, PEM.
    pub(crate) certificate: String,
}

/// A certificate with its key, both PEM.
#[derive(Debug)]
pub(crate) struct Signed {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    /// A new one, unknown to everybody.
    pub(crate) fn new() -> Self {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Else it has the name of what it signs, and OpenSSL takes that for signed by itself.
        parameters.distinguished_name.push(DnType::CommonName, "authority of a test");
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(parameters, key), certificate }
    }

    /// A certificate for a name or an address.
    pub(crate) fn signs(&self, name: &str) -> Signed {
        self.sign(&CertificateParams::new(vec![name.to_owned()]).unwrap())
    }

    /// A certificate that says who its holder is, as an alternative name (URI).
    pub(crate) fn vouches(&self, uri: &str) -> Signed {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.subject_alt_names.push(SanType::URI(uri.try_into().unwrap()));
        self.sign(&parameters)
    }

    fn sign(&self, parameters: &CertificateParams) -> Signed {
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap().pem();
        Signed { certificate, key: key.serialize_pem() }
    }
}
