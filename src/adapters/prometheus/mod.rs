//! A workflow controller's `/metrics`: fetched from a URL, or by somebody else through the API server's proxy, and read
//! by the names of every generation of controllers.

mod observe;
mod parse;
mod scrape;

pub use observe::{PodProxy, observe};
pub use parse::parse;
pub use scrape::Scraper;

/// Longest `/metrics` that is read. A controller's has about 90 KB; custom metrics of workflows can multiply it.
pub const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
