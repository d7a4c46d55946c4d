package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// The values of asProgram with which the test binary becomes another process of the benchmarks.
const (
	asUpstream = "upstream" // a streamingModel
	asProxy    = "proxy"    // a reverse proxy of net/http in front of the upstream in proxyTarget
)

const proxyTarget = "PAGILA_API_PROXY_TARGET"

// serveRole serves in a role of the benchmarks until the standard input ends, and says where on the standard output.
func serveRole(role string) error {
	var handler http.Handler = &streamingModel{interval: streamInterval, calls: true}
	if role == asProxy {
		target, err := url.Parse(os.Getenv(proxyTarget))
		if err != nil {
			return err
		}
		handler = &httputil.ReverseProxy{
			Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
			Transport:     &http.Transport{MaxIdleConnsPerHost: 4096},
			FlushInterval: -1,
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("http://%s\n", listener.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = listener.Close()
	}()
	return http.Serve(listener, handler)
}

// role is a process of the benchmarks other than the program.
type role struct {
	url string
	pid int
}

// startRole starts a process, which ends with the benchmark.
func startRole(b *testing.B, name string, env ...string) role {
	b.Helper()
	cmd := program(b, append(env, asProgram+"="+name))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait() // the listener was closed
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		b.Fatalf("the %s did not start: %v", name, err)
	}
	return role{strings.TrimSpace(line), cmd.Process.Pid}
}

// streamInterval is the time between two chunks of a stream, and benchStreams the number of streams.
const (
	streamInterval = 20 * time.Millisecond
	benchStreams   = 200
)

// streamingModel is a language model with OpenAI's protocol. Its streams take turns: each one is a fraction of the
// interval behind the one before. If they sent at random times, or all at once, they would wait for each other.
type streamingModel struct {
	interval time.Duration // between two chunks, which contain the time
	chunks   int           // of an answer; 0 means that it has no end
	calls    bool          // a tool first, as real models do; the text of a model that does not is held back
	streams  atomic.Int64
}

func (m *streamingModel) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if m.calls && callsTool(w, r) {
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	control := http.NewResponseController(w)
	turn := time.Duration(m.streams.Add(1)%benchStreams) * m.interval / benchStreams
	next := time.Now().Truncate(m.interval).Add(turn)
	timer := time.NewTimer(time.Until(next))
	defer timer.Stop()
	chunk := make([]byte, 0, 128)
	for n := 0; m.chunks == 0 || n < m.chunks; n++ {
		select {
		case <-timer.C:
		case <-r.Context().Done():
			return
		}
		chunk = appendChunk(chunk[:0], time.Now())
		if _, err := w.Write(chunk); err != nil || control.Flush() != nil {
			return
		}
		next = next.Add(m.interval)
		timer.Reset(time.Until(next))
	}
	_, _ = io.WriteString(w, `data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`+"\n\ndata: [DONE]\n\n")
}

// callsTool answers the first request of a question with the call of a tool.
func callsTool(w http.ResponseWriter, r *http.Request) bool {
	body, err := io.ReadAll(r.Body)
	if err != nil || !bytes.Contains(body, []byte(`"tools"`)) || bytes.Contains(body, []byte(`"tool_call_id"`)) {
		return false
	}
	const call = `{"index":0,"id":"call_1","type":"function",` +
		`"function":{"name":"listFilms","arguments":"{\"category\":[\"Comedy\"]}"}}`
	fmt.Fprintf(w, "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[%s]},", call)
	_, _ = io.WriteString(w, `"finish_reason":"tool_calls"}]}`+"\n\ndata: [DONE]\n\n")
	return true
}

// appendChunk appends an event with the time.
func appendChunk(b []byte, now time.Time) []byte {
	b = append(b, `data: {"choices":[{"index":0,"delta":{"content":"`...)
	b = strconv.AppendInt(b, now.UnixNano(), 10)
	return append(b, ` "}}]}`+"\n\n"...)
}
