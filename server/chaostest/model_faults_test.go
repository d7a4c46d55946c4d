package chaostest

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"time"
)

// brokenModel is a broken language model. It handles the connection of a request.
type brokenModel func(conn net.Conn)

// resets closes the connection with an RST.
func resets(conn net.Conn) {
	conn.(*net.TCPConn).SetLinger(0)
	conn.Close()
}

// silent sends nothing until the server gives up.
func silent(conn net.Conn) {
	_, _ = io.Copy(io.Discard, conn)
	conn.Close()
}

// garbage sends a response with a body that is neither JSON nor events.
func garbage(conn net.Conn) {
	body := bytes.Repeat([]byte("\x00\xff<html>{{data: ["), 100)
	fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	conn.Close()
}

// midway sends the beginning of an answer and ends the connection.
func midway(conn net.Conn) {
	fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 100000\r\n\r\n")
	for range 3 {
		fmt.Fprintf(conn, "data: %s\n\n", `{"choices":[{"index":0,"delta":{"content":"Some of the answer. "}}]}`)
	}
	conn.Close()
}

// modelFault returns a fault of the language model.
func modelFault(broken brokenModel) func(*trial) {
	return func(tr *trial) {
		const firstByte = 2 * time.Second
		model := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // so that closing the connection does not reset it
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				tr.Error(err)
				return
			}
			broken(conn)
		}))
		tr.Cleanup(model.Close)
		tr.serve(tr.cluster.url(), "OPENAI_BASE_URL="+model.URL+"/v1",
			"LLM_FIRST_BYTE_TIMEOUT="+firstByte.String(), "LLM_IDLE_TIMEOUT="+firstByte.String())
		tr.mix.asked.Store(int64(time.Hour)) // the clients ask nothing
		ready := tr.probe("/readyz")
		stop := tr.traffic(clients, pace)
		defer stop()
		tr.waitProgress()
		begin := time.Now()
		answers := tr.questions()
		took := time.Since(begin)
		tr.waitProgress()
		stop()
		probes := ready()
		tr.wantReady("/readyz", probes)
		tr.measureOutage(http.StatusOK, http.StatusCreated)
		tr.measured = fmt.Sprintf("%s, after %s in all; the rest: %s; /readyz: %s", answers, seconds(took), tr.measured, summary(probes))
	}
}

// questions asks for an answer as text, for one as events, and for a summary. None of them may look whole.
func (tr *trial) questions() string {
	const path = "/ai/ask?question=Why%3F"
	failures := []int{0, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout}
	text, body := tr.get(path)
	if !slices.Contains(failures, text) {
		tr.Errorf("a question: %d %s", text, body)
	}
	events, body := tr.do(request{method: http.MethodGet, path: path, accept: "text/event-stream"})
	if !slices.Contains(failures, events) || bytes.Contains(body, []byte("event: done")) {
		tr.Errorf("a question, as events: %d %s", events, body)
	}
	summarized, body := tr.do(request{method: http.MethodPost, path: "/ai/summary", body: `{"film_id": 1}`})
	tr.wantProblem(summarized, body, failures[1:]...)
	return fmt.Sprintf("an answer: %s; as events: %s; a summary: %s", outcome(text), outcome(events), outcome(summarized))
}

// outcome describes a status.
func outcome(status int) string {
	if status == 0 {
		return "broken off"
	}
	return strconv.Itoa(status)
}
