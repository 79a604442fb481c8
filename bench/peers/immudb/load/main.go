// Load writes random keys to an immudb server from several sessions and prints what it measured.
//
// Each session writes one transaction after the other and waits for the server's answer, which a
// server in its default, synced mode gives after the transaction is on disk. Standard output gets
// one JSON object; see result.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/codenotary/immudb/pkg/api/schema"
	immudb "github.com/codenotary/immudb/pkg/client"
)

const keyBytes = 16

// The database written to: one of our own, because its settings are given when it is made.
const database = "peer"

// Sessions a server allows at once, and so transactions that may be prepared at once. By default a
// database prepares 30 and refuses the others, which would count refusals instead of writes.
const sessionsMax = 100

// The name and password of a new server's administrator; the server listens on loopback only.
const administrator = "immudb"

type settings struct {
	port         int
	sessions     int
	seconds      float64
	payloadBytes int
	batch        int
	syncWindowMs int64
}

// result is the printed object; a latency is that of one transaction, in milliseconds.
type result struct {
	Operations int     `json:"operations"`
	Seconds    float64 `json:"seconds"`
	P50Ms      float64 `json:"p50_ms"`
	P99Ms      float64 `json:"p99_ms"`
}

func main() {
	var s settings
	flag.IntVar(&s.port, "port", 0, "the server's port on 127.0.0.1")
	flag.IntVar(&s.sessions, "sessions", 1, "sessions that write at once; the server allows 100")
	flag.Float64Var(&s.seconds, "seconds", 5, "how long to write")
	flag.IntVar(&s.payloadBytes, "payload-bytes", 300, "length of each value")
	flag.IntVar(&s.batch, "batch", 1, "keys a transaction; the server allows 1024")
	flag.Int64Var(&s.syncWindowMs, "sync-window-ms", 20,
		"how long the server gathers transactions for one sync; 20 is its default")
	flag.Parse()

	measured, err := run(context.Background(), s)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(measured)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings) (result, error) {
	if err := makeDatabase(ctx, s); err != nil {
		return result{}, err
	}
	clients, err := openSessions(ctx, s)
	defer closeSessions(ctx, clients)
	if err != nil {
		return result{}, err
	}
	before, err := clients[0].CurrentState(ctx)
	if err != nil {
		return result{}, err
	}

	start := time.Now()
	latencies, err := writeAll(ctx, clients, s, start.Add(time.Duration(s.seconds*1e9)))
	elapsed := time.Since(start)
	if err != nil {
		return result{}, err
	}

	after, err := clients[0].CurrentState(ctx)
	if err != nil {
		return result{}, err
	}
	if committed := int(after.TxId - before.TxId); committed < len(latencies) {
		return result{}, fmt.Errorf("%d transactions acknowledged, %d committed",
			len(latencies), committed)
	}
	slices.Sort(latencies)
	return result{
		Operations: len(latencies) * s.batch,
		Seconds:    elapsed.Seconds(),
		P50Ms:      percentileMs(latencies, 50),
		P99Ms:      percentileMs(latencies, 99),
	}, nil
}

// makeDatabase makes the database unless an earlier run of this server did.
func makeDatabase(ctx context.Context, s settings) error {
	client, err := openSession(ctx, s.port, "defaultdb")
	if err != nil {
		return err
	}
	defer closeSessions(ctx, []immudb.ImmuClient{client})
	list, err := client.DatabaseListV2(ctx)
	if err != nil || slices.ContainsFunc(list.Databases, isOurs) {
		return err
	}
	_, err = client.CreateDatabaseV2(ctx, database, &schema.DatabaseNullableSettings{
		MaxConcurrency: &schema.NullableUint32{Value: sessionsMax},
		SyncFrequency:  &schema.NullableMilliseconds{Value: s.syncWindowMs},
	})
	return err
}

func isOurs(d *schema.DatabaseInfo) bool {
	return d.Name == database
}

// openSessions returns on error too the sessions that are open by then.
func openSessions(ctx context.Context, s settings) ([]immudb.ImmuClient, error) {
	clients := make([]immudb.ImmuClient, 0, s.sessions)
	for range s.sessions {
		client, err := openSession(ctx, s.port, database)
		if err != nil {
			return clients, err
		}
		clients = append(clients, client)
	}
	return clients, nil
}

// openSession opens a session on a connection of its own.
func openSession(ctx context.Context, port int, name string) (immudb.ImmuClient, error) {
	options := immudb.DefaultOptions().WithPort(port).WithDisableIdentityCheck(true)
	client := immudb.NewClient().WithOptions(options)
	secret := []byte(administrator)
	return client, client.OpenSession(ctx, secret, secret, name)
}

func closeSessions(ctx context.Context, clients []immudb.ImmuClient) {
	for _, client := range clients {
		_ = client.CloseSession(ctx) // The server drops it anyway when the connection ends.
	}
}

// writeAll runs all sessions until the given moment and returns the latency of every transaction.
func writeAll(
	ctx context.Context, clients []immudb.ImmuClient, s settings, until time.Time,
) ([]time.Duration, error) {
	perClient := make([][]time.Duration, len(clients))
	errs := make([]error, len(clients))
	var group sync.WaitGroup
	for i, client := range clients {
		group.Add(1)
		go func() {
			defer group.Done()
			perClient[i], errs[i] = writeUntil(ctx, client, s, until)
		}()
	}
	group.Wait()
	return slices.Concat(perClient...), errors.Join(errs...)
}

func writeUntil(
	ctx context.Context, client immudb.ImmuClient, s settings, until time.Time,
) ([]time.Duration, error) {
	var latencies []time.Duration
	for time.Now().Before(until) {
		request := randomRows(s)
		start := time.Now()
		if _, err := client.SetAll(ctx, request); err != nil {
			return latencies, err
		}
		latencies = append(latencies, time.Since(start))
	}
	return latencies, nil
}

func randomRows(s settings) *schema.SetRequest {
	rows := make([]*schema.KeyValue, s.batch)
	for i := range rows {
		row := make([]byte, keyBytes+s.payloadBytes)
		rand.Read(row) // Never fails since Go 1.24: it ends the program instead.
		rows[i] = &schema.KeyValue{Key: row[:keyBytes], Value: row[keyBytes:]}
	}
	return &schema.SetRequest{KVs: rows}
}

// percentileMs returns the nearest-rank percentile of sorted latencies, 0 of none.
func percentileMs(sorted []time.Duration, percent int) float64 {
	if len(sorted) == 0 {
		return 0
	}
	rank := (len(sorted)*percent + 99) / 100
	return float64(sorted[rank-1]) / float64(time.Millisecond)
}
