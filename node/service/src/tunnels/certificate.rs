// SPDX-License-Identifier: MPL-2.0
//! The certificate under which tunnels speak TLS: self-signed, for this machine only, kept in the
//! data directory.

use std::path::Path;
use std::sync::Arc;

use a2al_protocol::private_files::{FileError, write_atomically};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Names that a browser on this machine may use.
const NAMES: [&str; 2] = ["localhost", "127.0.0.1"];

const CERTIFICATE_FILE: &str = "tunnel-cert.pem";
const KEY_FILE: &str = "tunnel-key.pem";

/// A certificate and its key.
struct Pem {
    certificate: String,
    key: String,
}

/// What TLS on tunnels works with. Reads the certificate, or makes and saves one; blocks.
///
/// A certificate that cannot be saved is used all the same: only browsers that trust it have to be
/// told again.
pub(super) fn server_config(data_dir: &Path) -> Result<Arc<ServerConfig>, Error> {
    if let Some(config) = load(data_dir).and_then(|pem| config(&pem).ok()) {
        return Ok(config);
    }
    let pem = make()?;
    if let Err(error) = save(data_dir, &pem) {
        tracing::warn!(%error, "certificate of tunnels not saved");
    }
    config(&pem)
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// None was made.
    #[error("no certificate could be made")]
    Make(#[from] rcgen::Error),
    /// It is not PEM.
    #[error("the certificate does not parse")]
    Parse(#[from] rustls::pki_types::pem::Error),
    /// TLS does not take it.
    #[error("the certificate cannot be used")]
    Use(#[from] rustls::Error),
}

fn load(data_dir: &Path) -> Option<Pem> {
    let read = |name| std::fs::read_to_string(data_dir.join(name)).ok();
    Some(Pem {
        certificate: read(CERTIFICATE_FILE)?,
        key: read(KEY_FILE)?,
    })
}

fn make() -> Result<Pem, Error> {
    let made = rcgen::generate_simple_self_signed(NAMES.map(str::to_owned))?;
    Ok(Pem {
        certificate: made.cert.pem(),
        key: made.signing_key.serialize_pem(),
    })
}

fn save(data_dir: &Path, pem: &Pem) -> Result<(), FileError> {
    write_atomically(&data_dir.join(KEY_FILE), pem.key.as_bytes())?;
    write_atomically(&data_dir.join(CERTIFICATE_FILE), pem.certificate.as_bytes())
}

fn config(pem: &Pem) -> Result<Arc<ServerConfig>, Error> {
    let certificate = CertificateDer::from_pem_slice(pem.certificate.as_bytes())?;
    let key = PrivateKeyDer::from_pem_slice(pem.key.as_bytes())?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_certificate_is_made_once_and_replaced_when_it_is_damaged() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(CERTIFICATE_FILE);
        server_config(dir.path()).unwrap();
        let first = std::fs::read_to_string(&path).unwrap();
        server_config(dir.path()).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), first);
        std::fs::write(&path, "damaged").unwrap();
        server_config(dir.path()).unwrap();
        assert_ne!(std::fs::read_to_string(&path).unwrap(), "damaged");
    }

    #[cfg(unix)]
    #[test]
    fn the_key_is_private() {
        use std::os::unix::fs::PermissionsExt;

        let dir = tempfile::tempdir().unwrap();
        server_config(dir.path()).unwrap();
        let key = std::fs::metadata(dir.path().join(KEY_FILE)).unwrap();
        assert_eq!(key.permissions().mode() & 0o777, 0o600);
    }
}
