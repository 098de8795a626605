// SPDX-License-Identifier: MPL-2.0
//! Bounds of the network half. All are ours: the reference's network is not libp2p.

use std::time::Duration;

/// Holders of a record: the closest known nodes to its key. Also kad's bucket size.
pub const REPLICATION: usize = 20;

/// Holders that must have stored a record before its publication is answered, where so many are known.
pub const WRITE_QUORUM: usize = 5;

/// Longest time a publication waits for its quorum.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a publication waits for holders that must be dialled first, once every connected one has answered.
///
/// A live one is reached within a few round trips; a dead one would cost a dial timeout.
pub const DIALLED_HOLDER_PATIENCE: Duration = Duration::from_millis(500);

/// Holders that a read of entries asks because they are the closest; the others are drawn by lot. Ours: half of [`SET_QUORUM`], so that
/// who owns the closest ones is not all that is heard.
pub const CLOSEST_ASKED: usize = SET_QUORUM / 2;

/// Holders asked at once by a read.
pub const READ_PARALLELISM: usize = 4;

/// Holders that must have answered before an endpoint record older than [`FRESH_ENDPOINT`] is believed to be the newest.
pub const ENDPOINT_QUORUM: usize = 3;

/// Holders that must have answered before a set of records is believed to be complete.
pub const SET_QUORUM: usize = 4;

/// Answers that suffice at a key to which entries overflow, even if they are empty: twice [`SET_QUORUM`].
///
/// Whoever asked for more before saying that nothing is there would have a holder that lies about overflow cost much.
pub const OVERFLOW_ANSWERS: usize = 2 * SET_QUORUM;

/// Holders without room for an entry from which on it is also written to the next key; or all of them, where there are fewer.
///
/// Half of [`SET_QUORUM`]: whoever has read from four holders has then met one that keeps it, a lying one among them or not.
pub const FULL_QUORUM: usize = SET_QUORUM / 2;

/// Keys that a search reads side by side.
pub const SEARCH_PARALLELISM: usize = 4;

/// Keys that one search reads: all of the first three levels, which is room for more than 400,000 entries.
pub const MAX_SEARCHED_KEYS: usize = 1 + 16 + 256 + 4096;

/// An endpoint record younger than this is taken without asking further holders.
pub const FRESH_ENDPOINT: Duration = Duration::from_secs(60);

/// How long an older endpoint record waits for a newer one, counted from its arrival.
pub const ENDPOINT_PATIENCE: Duration = Duration::from_millis(150);

/// Silence after which a read asks further holders besides those that owe an answer.
pub const READ_HEDGE: Duration = Duration::from_millis(150);

/// Longest time one holder may take to answer one request, dialling included.
pub const HOLDER_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a holder that did not answer is asked last and not waited for.
pub const SILENT_HOLDER_MEMORY: Duration = Duration::from_secs(30);

/// Longest time a whole read may take.
pub const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest time a kad walk may take.
pub const WALK_TIMEOUT: Duration = Duration::from_secs(8);

/// How long a records stream may be idle before the holder closes it.
pub const RECORDS_STREAM_IDLE: Duration = Duration::from_secs(60);

/// How long a requester keeps an idle records stream; below [`RECORDS_STREAM_IDLE`], so that it is the one who ends it.
pub const RECORDS_STREAM_REUSE: Duration = Duration::from_secs(30);

/// Idle records streams kept for one peer.
pub const IDLE_STREAMS_PER_PEER: usize = 4;

/// Largest message of `/a2al/rec/1`, in bytes: [`RECORDS_PER_PUT`] of the largest records, or one page.
pub const MAX_RECORDS_MESSAGE_LEN: usize = 96 * 1024;

/// Records in one write.
pub const RECORDS_PER_PUT: usize = 16;

/// Records in one page of an answer end when their encodings reach this many bytes.
pub const RECORDS_PAGE_LEN: usize = 64 * 1024;

/// Pages that a reader takes from one holder: with [`RECORDS_PAGE_LEN`] more than a full set.
pub const MAX_PAGES: usize = 64;

/// Records streams served at once.
pub const MAX_RECORDS_STREAMS: usize = 1024;

/// Of these, what one peer may have.
pub const MAX_RECORDS_STREAMS_PER_PEER: usize = 128;

/// Records that a reader takes from one holder: twice the largest set.
pub const MAX_RECORDS_READ: usize = 2 * super::MAX_MAILBOX_NOTES;

/// Records that one source may write per second, sustained. A source is a /24, a /48 of IPv6, or a node at a private address.
pub const WRITES_PER_SECOND: u32 = 500;

/// Records that one source may write in a burst.
pub const WRITE_BURST: u32 = 2000;

/// Sources whose write rate is remembered.
pub const MAX_RATED_SOURCES: usize = 4096;

/// Sources remembered as writers of one record at one key.
pub const MAX_WRITERS_PER_ENTRY: usize = 4;

/// Verified records remembered so that the same bytes are not verified again.
pub const REMEMBERED_RECORDS: usize = 8192;

/// Records of an answer that are verified one after the other, each for 0.1 to 0.2 ms; more are shared among the processors.
pub const VERIFIED_AT_ONCE: usize = 8;

/// Entries that may wait to be handed down to the next key.
pub const DISPLACED_QUEUE: usize = 4096;

/// Of these, the entries of one source that lost their places to further ones of its own. Ours: an eighth, so that a flood does not
/// hold up what it displaces of others; what honest nodes renew at once is less.
pub const DISPLACED_PER_SOURCE: usize = DISPLACED_QUEUE / 8;

/// Entries that are handed down side by side.
pub const HAND_DOWN_PARALLELISM: usize = 16;

/// The shortest time for each of these: 80 entries per second in all.
pub const HAND_DOWN_PACE: Duration = Duration::from_millis(200);

/// Live records held for one source, refused only while the store is more than half full.
pub const MAX_RECORDS_PER_SOURCE: usize = 8192;

/// Keys in the store of records.
pub const MAX_HELD_KEYS: usize = 100_000;

/// Bytes of record encodings in the store of records.
pub const MAX_HELD_BYTES: usize = 128 * 1024 * 1024;

/// A node that knows this many peers closer to a key than itself does not hold records there: twice [`REPLICATION`].
pub const MAX_CLOSER_PEERS: usize = 2 * REPLICATION;

/// Among this many closest holders, each hands a record on to a node that comes closer, and an entry that it has no room for any
/// more to the next key.
pub const HAND_OVER_RANK: usize = 3;

/// How long changes of the neighbourhood are gathered before records are handed on.
pub const HAND_OVER_DEBOUNCE: Duration = Duration::from_millis(200);

/// Times that handing records on to one peer is tried.
pub const HAND_OVER_ATTEMPTS: u32 = 4;

/// How often expired records are dropped and idle streams closed.
pub const UPKEEP_INTERVAL: Duration = Duration::from_secs(10);

/// Longest time to open a stream on a live connection.
pub const STREAM_OPEN_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest time for the messages of one agent handshake.
pub const AGENT_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Agent handshakes served at once.
pub const MAX_CONCURRENT_HANDSHAKES: usize = 4096;

/// Of these, what one peer may have.
pub const MAX_HANDSHAKES_PER_PEER: usize = 1024;

/// Inbound streams of one protocol that may wait to be served.
pub const ACCEPT_QUEUE: usize = 1024;

/// Verified calls that may wait for the service.
pub const CALL_QUEUE: usize = 256;

/// Pairs of agents remembered for one connection and direction.
pub const BINDINGS_PER_CONNECTION: usize = 4096;

/// AIDs whose newest delegation is remembered.
pub const REMEMBERED_DELEGATIONS: usize = 16_384;

/// Longest time to reach a peer at any of its addresses.
pub const DIAL_TIMEOUT: Duration = Duration::from_secs(10);

/// How long others may join an attempt to reach a peer; whoever comes later begins another one beside it, which packets that were lost
/// before do not hold up.
pub const DIAL_SHARED_FOR: Duration = Duration::from_secs(1);

/// Addresses of one peer that are dialled.
pub const MAX_DIALLED_ADDRESSES: usize = 8;

/// Relays through which one peer is called.
pub const MAX_DIALLED_RELAYS: usize = 2;

/// Addresses of one relay that are published and dialled: QUIC and TCP, IPv4 and IPv6.
pub const MAX_RELAY_ADDRESSES: usize = 4;

/// Head start of direct addresses over the first relay, and the second one.
pub const RELAY_DELAYS: [Duration; MAX_DIALLED_RELAYS] =
    [Duration::from_millis(150), Duration::from_millis(650)];

/// After this time a circuit that failed is tried again, while direct addresses have not failed yet.
pub const CIRCUIT_RETRY: Duration = Duration::from_secs(1);

/// Relays on which a node that needs them holds reservations.
pub const HELD_RELAYS: usize = 2;

/// How long a relay that failed is not asked again; doubled with each failure, up to [`MAX_RELAY_BACKOFF`].
pub const RELAY_BACKOFF: Duration = Duration::from_secs(1);

/// Longest time that a relay which failed is not asked again.
pub const MAX_RELAY_BACKOFF: Duration = Duration::from_secs(300);

/// Relays that are remembered.
pub const MAX_KNOWN_RELAYS: usize = 64;

/// How long a reservation may take before another relay is asked as well.
pub const RESERVATION_PATIENCE: Duration = Duration::from_secs(5);

/// How long a relayed connection stays when a direct one exists, or a connection that another one replaces: what the peer has
/// begun on it meanwhile is not cut off.
pub const SUPERSEDED_GRACE: Duration = Duration::from_secs(5);

/// The share of a circuit's limits, in percent, after which another circuit takes over.
pub const CIRCUIT_RENEWAL_PERCENT: u32 = 75;

/// How often connections are looked after.
pub const CONNECTION_CARE_INTERVAL: Duration = Duration::from_secs(1);

/// A gap between two such moments that means the machine slept: every connection is lost then.
pub const SLEEP_GAP: Duration = Duration::from_secs(20);

/// Head start of QUIC over TCP where a bootstrap node is given as `HOST:PORT`.
pub const TCP_DELAY: Duration = Duration::from_millis(250);

/// Longest time to resolve the name of a bootstrap node.
pub const NAME_TIMEOUT: Duration = Duration::from_secs(5);

/// Addresses of one name that are dialled.
pub const MAX_ADDRESSES_PER_NAME: usize = 4;

/// How often bootstrap nodes are dialled again while no peer is connected.
pub const BOOTSTRAP_RETRY: Duration = Duration::from_secs(5);

/// Longest time to close a connection in order: over TCP, a peer that is gone takes no goodbye.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// How often a peer is asked whether it is still there: TCP notices a vanished host in no other way.
///
/// libp2p's ping keeps the first failure to itself, so that a dead connection is known after two rounds: at most four times this.
pub const PING_INTERVAL: Duration = Duration::from_secs(3);

/// Longest time that a peer may take to answer one such question.
pub const PING_TIMEOUT: Duration = Duration::from_secs(3);

/// Addresses of ours that other nodes are asked to test in one [`PROBE_WINDOW`].
pub const MAX_PROBED_ADDRESSES: usize = 16;

/// See [`MAX_PROBED_ADDRESSES`].
pub const PROBE_WINDOW: Duration = Duration::from_secs(3600);

/// Addresses at which one peer may say that it sees us, one after the other.
pub const MAX_OBSERVATIONS_PER_CONNECTION: u32 = 4;

/// How often a node that lacks relays dials another peer to find one.
pub const RELAY_SEARCH_INTERVAL: Duration = Duration::from_secs(5);

/// How long a circuit that could not be replaced is not tried again.
pub const RENEWAL_BACKOFF: Duration = Duration::from_secs(30);

/// How often an idle QUIC connection says that it is alive, which keeps mappings of NATs as well.
pub const QUIC_KEEP_ALIVE: Duration = Duration::from_secs(3);

/// A QUIC connection ends when nothing was heard for this long after the last sign of life that we sent: it is noticed after ten
/// seconds and a half at most that a NAT has changed a mapping, or that the peer is gone.
pub const QUIC_IDLE_TIMEOUT: Duration = Duration::from_millis(7_500);

/// How often addresses that nobody has checked yet are put to other nodes.
pub const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// A connection without streams is closed after this time.
pub const IDLE_CONNECTION_TIMEOUT: Duration = Duration::from_secs(120);

/// Connections to one peer: a relayed one and simultaneous direct ones must fit.
pub const MAX_CONNECTIONS_PER_PEER: u32 = 8;

/// Connections in all.
pub const MAX_CONNECTIONS: u32 = 512;

/// Connections of a bootstrap node in all: every reservation on it needs one.
pub const MAX_BOOTSTRAP_CONNECTIONS: u32 = 12_000;

/// Inbound connections that have not finished their handshake.
pub const MAX_PENDING_INBOUND: u32 = 128;

/// Outbound connections that have not finished their handshake.
pub const MAX_PENDING_OUTBOUND: u32 = 128;

/// Streams open at once on one connection: those to services that one node may have, and room for records and for being told that
/// further ones are refused.
pub const MAX_STREAMS_PER_CONNECTION: u32 = 4096 + 512;

/// The same over TCP and through relays. yamux keeps 256 KiB of window for each, and takes no connection for which that is more than
/// 1 GiB.
pub const YAMUX_STREAMS: usize = 4096;

/// Streams of one protocol after which our side opens no further one there: yamux closes the whole connection of a peer that opens too
/// many.
pub const MAX_YAMUX_STREAMS: usize = YAMUX_STREAMS - 256;

/// Streams to services of this node's agents, idle ones included; further calls are refused as busy.
///
/// An idle one holds a socket and some KiB, buffers only while bytes wait.
pub const MAX_INBOUND_STREAMS: usize = 16_384;

/// Of these, what one agent may have, so that one that many call leaves room for the others.
pub const MAX_INBOUND_STREAMS_PER_AGENT: usize = 8192;

/// Of these, what one calling node may have, over all its connections.
pub const MAX_INBOUND_STREAMS_PER_PEER: usize = 4096;

/// New connections are refused while the process holds more than this many bytes of memory.
pub const MAX_MEMORY_BYTES: usize = 512 * 1024 * 1024;

/// The same for a bootstrap node.
pub const MAX_BOOTSTRAP_MEMORY_BYTES: usize = 2 * 1024 * 1024 * 1024;

/// Commands that may wait for the swarm task.
pub const COMMAND_QUEUE: usize = 256;

/// Peers kept in the peer cache.
pub const MAX_CACHED_PEERS: usize = 1000;

/// Longest time that ending the network may take.
pub const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

/// Notes in one message of a direct delivery.
pub const NOTES_PER_DELIVERY: usize = 16;

/// Longest message of a direct delivery, in bytes: the longest note with passes and proofs, and room to spare.
pub const MAX_DELIVERY_LEN: usize = 128 * 1024;

/// Messages of notes that one stream may carry.
pub const DELIVERIES_PER_STREAM: usize = 256;

/// How long a stream of notes may be without one: the sender may look for a proof of work meanwhile.
pub const DELIVERY_IDLE: Duration = Duration::from_secs(150);

/// Longest time in which a receiver has to keep what one message brought.
pub const KEEP_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest time that a sender waits for a receipt; above [`KEEP_TIMEOUT`], so that the receiver gives up first.
pub const RECEIPT_TIMEOUT: Duration = Duration::from_secs(15);

/// Longest time that one proof of work is looked for; below [`DELIVERY_IDLE`].
pub const WORK_TIMEOUT: Duration = Duration::from_secs(120);

/// Holders that must have answered before a mailbox is believed to be read whole: twice [`SET_QUORUM`], because an empty answer
/// counts here, too.
pub const MAILBOX_QUORUM: usize = 2 * SET_QUORUM;

/// How long a read of a mailbox waits for further holders once [`SET_QUORUM`] have answered.
pub const MAILBOX_PATIENCE: Duration = Duration::from_millis(500);

/// Notes in one mailbox for whose senders the recipient has issued passes.
pub const MAX_PASS_NOTES: usize = 256;

/// Room in one mailbox that nobody but these can take.
pub const RESERVED_PASS_NOTES: usize = 128;

/// Notes in one mailbox that one source may have there without pass and work: half of what is free.
///
/// With less, what a mailbox holds would not pass from two holders to a new one.
pub const MAX_FREE_NOTES_PER_SOURCE: usize = super::MAX_MAILBOX_NOTES / 4;

/// Bytes of removals remembered for one mailbox.
pub const MAX_REMOVAL_BYTES: usize = 256 * 1024;

/// Bytes that a removal counts for besides its encoding: a place in the store, and the index of its ids.
///
/// Ours: a measure of what one id at a place of its own takes.
pub const REMOVAL_OVERHEAD: usize = 512;

/// Bytes of parts of notes above which none of other nodes are taken. They need no work.
///
/// Ours: half of [`MAX_HELD_BYTES`].
pub const MAX_PART_BYTES: usize = MAX_HELD_BYTES / 2;

/// Bytes of parts held for one source, refused only while all have more than a quarter of [`MAX_PART_BYTES`].
///
/// Ours: those of 50 notes of 64 KiB.
pub const MAX_PART_BYTES_PER_SOURCE: usize = 4 * 1024 * 1024;

/// Places of released parts that are remembered, so that none comes back late.
///
/// Ours: forgetting one costs room for a part, until it expires.
pub const MAX_RELEASED: usize = 16_384;

/// Of these, what was written by one source.
///
/// Ours: a sixteenth.
pub const MAX_RELEASED_PER_SOURCE: usize = 1024;

/// Bytes of removals that one source may have remembered. Above that, its removals are carried out and not remembered.
///
/// Ours: the acknowledgements of 25,000 notes, in statements of 64.
pub const MAX_REMOVAL_SHARE_PER_SOURCE: usize = 1024 * 1024;

/// Bytes of removals above which no further ones of other nodes are remembered.
///
/// Ours: an eighth of [`MAX_HELD_BYTES`], and a quarter of [`MAX_HELD_KEYS`] where every removal has a key of its own.
pub const MAX_REMOVAL_SHARE: usize = 16 * 1024 * 1024;

/// Proofs of work that were right and are remembered.
pub const REMEMBERED_WORK: usize = 4096;

/// Proofs of work that may wait to be checked; each takes about a millisecond.
pub const WORK_CHECKS_WAITING: usize = 64;

/// Writes that a wrong proof of work costs its source.
pub const WRONG_WORK_WRITES: u32 = 50;

/// Times that holders are written to again with a proof of work: what they ask for rises while others write.
pub const WORK_ROUNDS: usize = 3;
