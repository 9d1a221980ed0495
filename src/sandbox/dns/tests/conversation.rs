//! One conversation over UDP, held with our service and with BIND; and the usual tools against our service.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hickory_proto::op::Edns;
use tokio::net::UdpSocket;

use super::*;

const SECRET: &[u8] = b"a secret of thirty-two bytes ...";

struct Client {
    socket: UdpSocket,
    signer: TSigner,
}

impl Client {
    async fn to(addr: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(addr).await.unwrap();
        Self { socket, signer: key("leeward", SECRET) }
    }

    async fn exchange(&self, bytes: &[u8]) -> Vec<u8> {
        self.socket.send(bytes).await.unwrap();
        let mut buffer = vec![0; 65_535];
        let count =
            tokio::time::timeout(Duration::from_secs(20), self.socket.recv(&mut buffer)).await.unwrap().unwrap();
        buffer.truncate(count);
        buffer
    }

    async fn ask(&self, message: Message) -> String {
        line(&Message::from_vec(&self.exchange(&message.to_vec().unwrap()).await).unwrap())
    }

    async fn get(&self, of: &str, kind: RecordType) -> String {
        self.ask(query(of, kind)).await
    }

    /// A signed message; the reply must be signed too. Only FORMERR may come unsigned: a server that can't read a
    /// message can't verify it either, and where reading ends differs between servers.
    async fn signed(&self, message: Message) -> String {
        let (bytes, mut verifier) = sign(message, &self.signer, unix());
        let bytes = self.exchange(&bytes).await;
        let reply = Message::from_vec(&bytes).unwrap();
        if !(reply.signature.is_none() && reply.response_code == ResponseCode::FormErr) {
            verifier.verify(&bytes).unwrap_or_else(|error| panic!("{error}: {}", line(&reply)));
        }
        line(&reply)
    }

    /// A message signed otherwise; the reply is taken as it is.
    async fn signed_by(&self, signer: &TSigner, unix: u64, message: Message) -> String {
        line(&Message::from_vec(&self.exchange(&sign(message, signer, unix).0).await).unwrap())
    }

    async fn serial(&self) -> String {
        self.get("example.com", RecordType::SOA).await
    }
}

fn key(name: &str, secret: &[u8]) -> TSigner {
    TsigKey::new(name, Some(secret.to_vec())).unwrap().signer().unwrap()
}

fn unix() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn options() -> DnsOptions {
    DnsOptions { key_secret: Some(SECRET.to_vec()), ..DnsOptions::default() }
}

#[tokio::test]
async fn our_service() {
    let server = DnsServer::start(options()).await.unwrap();
    converse(server.addrs()[0]).await;
    assert_eq!((server.serial(0), server.serial(1)), (7, 7));
}

#[tokio::test]
async fn bind() {
    let dir = tempfile::tempdir().unwrap();
    let Some((mut named, addr)) = start_bind(dir.path()).await else {
        println!("skipped: no named here (Debian: apt-get install bind9)");
        return;
    };
    let held = tokio::spawn(converse(addr)).await;
    named.kill().unwrap();
    named.wait().unwrap();
    held.unwrap();
}

async fn converse(addr: SocketAddr) {
    let client = Client::to(addr).await;
    queries(&client).await;
    signatures(&client).await;
    prerequisites(&client).await;
    updates(&client).await;
}

async fn queries(client: &Client) {
    for (of, kind, want) in [
        (NAME, RecordType::A, "ok aa [A 192.0.2.10 ttl 60]"),
        ("WorkFlows.EXAMPLE.com", RecordType::A, "ok aa [A 192.0.2.10 ttl 60]"),
        (NAME, RecordType::AAAA, "ok aa no: SOA 1 ttl 60"),
        ("nothing.example.com", RecordType::A, "NXDOMAIN aa no: SOA 1 ttl 60"),
        ("example.com", RecordType::SOA, "ok aa [SOA 1 ttl 60]"),
        ("example.com", RecordType::NS, "ok aa [NS ns1.example.com. ttl 60, NS ns2.example.com. ttl 60]"),
        ("ns2.example.com", RecordType::A, "ok aa [A 127.0.0.1 ttl 60]"),
        ("other.org", RecordType::A, "REFUSED"),
        ("com", RecordType::NS, "REFUSED"),
    ] {
        assert_eq!(client.get(of, kind).await, want, "{of} {kind}");
    }
    let mut future = query(NAME, RecordType::A);
    future.set_edns(Edns::new()).edns.as_mut().unwrap().set_version(1);
    assert_eq!(client.ask(future).await, "BADVERS");
    assert_eq!(client.signed(query(NAME, RecordType::A)).await, "ok aa [A 192.0.2.10 ttl 60]");
}

async fn signatures(client: &Client) {
    let good = || swap("192.0.2.10", "198.51.100.10");
    assert_eq!(client.ask(good()).await, "REFUSED", "unsigned");
    assert_eq!(client.signed_by(&key("stranger", SECRET), unix(), good()).await, "NOTAUTH BadKey");
    assert_eq!(client.signed_by(&key("leeward", b"wrong"), unix(), good()).await, "NOTAUTH BadSig");
    // Signed with our key all the same, so that the client can trust it.
    let early = sign(good(), &client.signer, unix() - 3600);
    let reply = client.exchange(&early.0).await;
    let tsig = Message::from_vec(&reply).unwrap().signature().unwrap().data.clone();
    assert_eq!(line(&Message::from_vec(&reply).unwrap()), "NOTAUTH BadTime");
    assert_eq!((tsig.other.len(), tsig.mac.len()), (6, 32));
    let server_time = tsig.other.iter().fold(0_u64, |time, byte| time << 8 | u64::from(*byte));
    assert!(server_time.abs_diff(unix()) < 300);
    let mut verifier = early.1;
    verifier.verify(&reply).expect("the refusal is signed");
    assert_eq!(client.get(NAME, RecordType::A).await, "ok aa [A 192.0.2.10 ttl 60]", "nothing has changed");
}

async fn prerequisites(client: &Client) {
    let none = || RData::Update0(RecordType::ANY);
    let set = RData::Update0;
    let (gone, ipv4, ipv6) = ("nothing.example.com", RecordType::A, RecordType::AAAA);
    for (prerequisite, want) in [
        (rr(NAME, DNSClass::IN, 0, a("192.0.2.10")), "ok"),
        (rr(NAME, DNSClass::IN, 0, a("192.0.2.99")), "NXRRSET"),
        (rr(gone, DNSClass::IN, 0, a("192.0.2.10")), "NXRRSET"),
        (rr(NAME, DNSClass::ANY, 0, set(ipv4)), "ok"),
        (rr(NAME, DNSClass::ANY, 0, set(ipv6)), "NXRRSET"),
        (rr(NAME, DNSClass::NONE, 0, set(ipv6)), "ok"),
        (rr(NAME, DNSClass::NONE, 0, set(ipv4)), "YXRRSET"),
        (rr(NAME, DNSClass::ANY, 0, none()), "ok"),
        (rr(gone, DNSClass::ANY, 0, none()), "NXDOMAIN"),
        (rr(gone, DNSClass::NONE, 0, none()), "ok"),
        (rr(NAME, DNSClass::NONE, 0, none()), "YXDOMAIN"),
        (rr("other.org", DNSClass::ANY, 0, none()), "NOTZONE"),
        (rr(NAME, DNSClass::IN, 60, a("192.0.2.10")), "FORMERR"),
        (rr(NAME, DNSClass::ANY, 0, a("192.0.2.10")), "FORMERR"),
        (rr(NAME, DNSClass::CH, 0, a("192.0.2.10")), "FORMERR"),
    ] {
        let said = format!("{prerequisite}");
        assert_eq!(client.signed(update("example.com", vec![prerequisite], vec![])).await, want, "{said}");
    }
    let both = ["192.0.2.10", "192.0.2.11"].map(|address| rr(NAME, DNSClass::IN, 0, a(address)));
    assert_eq!(client.signed(update("example.com", both.into(), vec![])).await, "NXRRSET", "more than there is");
    assert_eq!(client.serial().await, "ok aa [SOA 1 ttl 60]", "nothing has changed");
}

async fn updates(client: &Client) {
    let change = |record| client.signed(update("example.com", vec![], vec![record]));
    // What a failover does: once it works, and the same again finds its prerequisite gone.
    assert_eq!(client.signed(swap("192.0.2.10", "198.51.100.10")).await, "ok");
    assert_eq!(client.get(NAME, RecordType::A).await, "ok aa [A 198.51.100.10 ttl 60]");
    assert_eq!(client.signed(swap("192.0.2.10", "198.51.100.10")).await, "NXRRSET");
    assert_eq!(client.serial().await, "ok aa [SOA 2 ttl 60]");

    // A second address, and the whole set's TTL with it; then one of them away.
    assert_eq!(change(rr(NAME, DNSClass::IN, 30, a("192.0.2.10"))).await, "ok");
    let two = "ok aa [A 192.0.2.10 ttl 30, A 198.51.100.10 ttl 30]";
    assert_eq!(client.get(NAME, RecordType::A).await, two);
    assert_eq!(client.signed(swap("198.51.100.10", "203.0.113.1")).await, "NXRRSET", "less than there is");
    assert_eq!(change(rr(NAME, DNSClass::NONE, 0, a("192.0.2.10"))).await, "ok");
    assert_eq!(client.get(NAME, RecordType::A).await, "ok aa [A 198.51.100.10 ttl 30]");
    assert_eq!(client.serial().await, "ok aa [SOA 4 ttl 60]");

    // What is silently ignored, and leaves the serial alone.
    let (apex, all) = ("example.com", RData::Update0);
    for ignored in [
        rr(NAME, DNSClass::IN, 30, a("198.51.100.10")),
        rr(NAME, DNSClass::NONE, 0, a("192.0.2.77")),
        rr(NAME, DNSClass::ANY, 0, all(RecordType::TXT)),
        rr("nothing.example.com", DNSClass::ANY, 0, all(RecordType::ANY)),
        rr(NAME, DNSClass::IN, 60, RData::CNAME(CNAME(name("other.org")))),
        rr(apex, DNSClass::ANY, 0, all(RecordType::SOA)),
        rr(apex, DNSClass::ANY, 0, all(RecordType::NS)),
        rr(apex, DNSClass::ANY, 0, all(RecordType::ANY)),
    ] {
        let said = format!("{ignored}");
        assert_eq!(change(ignored).await, "ok", "{said}");
        assert_eq!(client.serial().await, "ok aa [SOA 4 ttl 60]", "{said}");
    }

    // What is refused, and then nothing of the message is done.
    for (bad, want) in [
        (rr("other.org", DNSClass::IN, 60, a("192.0.2.1")), "NOTZONE"),
        (rr(NAME, DNSClass::ANY, 60, all(RecordType::A)), "FORMERR"),
        (rr(NAME, DNSClass::ANY, 0, a("192.0.2.1")), "FORMERR"),
        (rr(NAME, DNSClass::NONE, 60, a("192.0.2.1")), "FORMERR"),
        (rr(NAME, DNSClass::NONE, 0, all(RecordType::ANY)), "FORMERR"),
        (rr(NAME, DNSClass::IN, 60, all(RecordType::ANY)), "FORMERR"),
        (rr(NAME, DNSClass::CH, 60, a("192.0.2.1")), "FORMERR"),
    ] {
        let said = format!("{bad}");
        let good = rr(NAME, DNSClass::IN, 30, a("192.0.2.1"));
        assert_eq!(client.signed(update("example.com", vec![], vec![good, bad])).await, want, "{said}");
        assert_eq!(client.serial().await, "ok aa [SOA 4 ttl 60]", "{said}");
    }
    assert_eq!(client.signed(update("other.org", vec![], vec![])).await, "NOTAUTH");
    assert_eq!(client.signed(update(NAME, vec![], vec![])).await, "NOTAUTH", "in the zone, not the zone");

    // Name servers: all but the last may go. A name with nothing but names below it exists and has no data.
    for server in ["ns2.example.com", "ns1.example.com"] {
        assert_eq!(change(rr(apex, DNSClass::NONE, 0, RData::NS(NS(name(server))))).await, "ok");
    }
    assert_eq!(client.get(apex, RecordType::NS).await, "ok aa [NS ns1.example.com. ttl 60]");
    assert_eq!(change(rr("a.b.example.com", DNSClass::IN, 60, RData::TXT(TXT::new(vec!["t".into()])))).await, "ok");
    assert_eq!(client.get("b.example.com", RecordType::TXT).await, "ok aa no: SOA 6 ttl 60");
    assert_eq!(change(rr(NAME, DNSClass::ANY, 0, all(RecordType::ANY))).await, "ok");
    assert_eq!(client.get(NAME, RecordType::A).await, "NXDOMAIN aa no: SOA 7 ttl 60");
}

/// BIND with the same zone and key as [`options`] describes, or `None` where there is none.
async fn start_bind(dir: &Path) -> Option<(Child, SocketAddr)> {
    let named = ["/usr/sbin/named", "/usr/local/sbin/named", "/opt/homebrew/sbin/named"];
    let named = named.into_iter().find(|path| Path::new(path).exists())?;
    let addr = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let secret = TsigKey::new("leeward", Some(SECRET.to_vec())).unwrap().base64();
    let conf = format!(
        r#"
        options {{
            directory "{dir}"; pid-file none; session-keyfile none; lock-file none; recursion no; notify no;
            listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
            dnssec-validation no; allow-transfer {{ none; }};
        }};
        controls {{ }};
        key "leeward" {{ algorithm hmac-sha256; secret "{secret}"; }};
        zone "example.com" {{ type primary; file "{dir}/zone"; allow-update {{ key leeward; }}; }};
        "#,
        dir = dir.display(),
        port = addr.port(),
    );
    let zone = "$TTL 60\n@ SOA ns1 hostmaster 1 3600 600 86400 60\n NS ns1\n NS ns2\n\
                ns1 A 127.0.0.1\nns2 A 127.0.0.1\nworkflows A 192.0.2.10\n";
    std::fs::write(dir.join("named.conf"), conf).unwrap();
    std::fs::write(dir.join("zone"), zone).unwrap();
    let mut command = Command::new(named);
    command.arg("-c").arg(dir.join("named.conf")).args(["-g", "-n", "1"]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let client = Client::to(addr).await;
    let bytes = query(NAME, RecordType::A).to_vec().unwrap();
    for _ in 0..200 {
        let mut buffer = [0; 512];
        let _ = client.socket.send(&bytes).await;
        let answered = tokio::time::timeout(Duration::from_millis(100), client.socket.recv(&mut buffer)).await;
        if matches!(answered, Ok(Ok(_))) {
            return Some((child, addr));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    child.kill().and_then(|()| child.wait()).unwrap();
    panic!("named did not start; see named -g -c named.conf");
}

/// What an operator would type.
#[tokio::test]
async fn dig_and_nsupdate() {
    if Command::new("nsupdate").arg("-V").output().is_err() || Command::new("dig").arg("-v").output().is_err() {
        println!("skipped: no dig or nsupdate here (Debian: apt-get install bind9-dnsutils)");
        return;
    }
    let server = DnsServer::start(DnsOptions::default()).await.unwrap();
    server.publish(1, Publication::Held);
    let (port, second) = (server.addrs()[0].port(), server.addrs()[1].port());
    let script = format!(
        "server 127.0.0.1 {port}\nzone {zone}\nkey {alg}:{key} {secret}\nprereq yxrrset {name} A 192.0.2.10\n\
         update delete {name} A\nupdate add {name} 60 A 198.51.100.10\nsend\n",
        zone = server.zone(),
        name = server.name(),
        alg = TsigKey::ALGORITHM,
        key = server.key().name(),
        secret = server.key().base64(),
    );
    let (first, _) = tool("nsupdate", &[], &script).await;
    assert!(first, "the update is accepted");
    let (again, said) = tool("nsupdate", &[], &script).await;
    assert!(!again && said.contains("NXRRSET"), "{said}");
    let (forged, said) = tool("nsupdate", &[], &script.replace(&server.key().base64(), "AAAA")).await;
    assert!(!forged && said.contains("BADSIG"), "{said}");
    for tcp in ["+notcp", "+tcp"] {
        let dig = |port: u16| {
            let arguments = [tcp, "+short", "+norecurse", "@127.0.0.1", "-p", &port.to_string(), NAME, "A"];
            arguments.map(str::to_owned)
        };
        assert_eq!(tool("dig", &dig(port), "").await, (true, "198.51.100.10\n".into()));
        assert_eq!(tool("dig", &dig(second), "").await, (true, "192.0.2.10\n".into()), "held back");
    }
    assert_eq!(server.committed(), server.shown(0));
    server.change_by_another(&["203.0.113.7".parse().unwrap()]);
    assert_eq!((server.shown(0), server.updates()), (server.committed(), 1));
    server.silence(0, true);
    let silent = [format!("@{}", server.addrs()[0].ip()), format!("-p{port}"), "+time=1".into(), "+tries=1".into()];
    assert!(!tool("dig", &silent, "").await.0);
}

/// Runs a program with this input; whether it succeeded, and all that it said.
async fn tool(program: &str, arguments: &[String], input: &str) -> (bool, String) {
    use tokio::io::AsyncWriteExt;
    let mut command = tokio::process::Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[tokio::test]
async fn options_that_make_no_sense() {
    let start = async |options| DnsServer::start(options).await.err().map(|error| error.to_string());
    let outside = DnsOptions { name: "workflows.example.org".into(), ..options() };
    assert_eq!(start(outside).await.unwrap(), "workflows.example.org is not in the zone example.com");
    assert!(start(DnsOptions { servers: 0, ..options() }).await.unwrap().contains("0 name servers"));
    assert!(start(DnsOptions { zone: "a..b".into(), ..options() }).await.unwrap().contains("a..b"));
}
