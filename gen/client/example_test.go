package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"example.com/pagila-api/gen/client"
)

// exampleServer stands for a Pagila API, so that the examples run without one.
func exampleServer() *httptest.Server {
	json := func(status int, contentType, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}
	}
	mux := http.NewServeMux()
	mux.Handle("GET /films", json(200, "application/json",
		`{"items":[{"film_id":7,"title":"AIRPLANE SIERRA"},{"film_id":28,"title":"ANTHEM LUKE"}],"page":1,"page_size":100,"total":2}`))
	mux.Handle("POST /customers/{customer_id}/rentals", json(409, "application/problem+json",
		`{"type":"about:blank","title":"Conflict","status":409,"detail":"The copy is out.","instance":"/customers/1/rentals","code":"inventory_not_available","request_id":"9c470f0662d25df1"}`))
	mux.Handle("GET /ai/ask", json(200, "text/event-stream",
		"event: delta\ndata: {\"text\":\"Try \"}\n\nevent: delta\ndata: {\"text\":\"AIRPLANE SIERRA.\"}\n\nevent: done\ndata: {\"finish_reason\":\"stop\"}\n\n"))
	return httptest.NewServer(mux)
}

func ExampleAPI_Films() {
	server := exampleServer()
	defer server.Close()

	api, err := client.New(server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	for film, err := range api.Films(context.Background(), client.ListFilmsParams{Category: new("Comedy")}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(film.FilmID, film.Title)
	}
	// Output:
	// 7 AIRPLANE SIERRA
	// 28 ANTHEM LUKE
}

func ExampleAPI_Ask() {
	server := exampleServer()
	defer server.Close()

	api, err := client.New(server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	for piece, err := range api.Ask(context.Background(), "Do you have a comedy with aeroplanes?") {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Print(piece)
	}
	fmt.Println()
	// Output:
	// Try AIRPLANE SIERRA.
}

func ExampleError() {
	server := exampleServer()
	defer server.Close()

	api, err := client.New(server.URL, client.WithToken("dvd_admin"))
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = api.CreateRentalWithResponse(context.Background(), 1, client.RentalRequest{InventoryID: 1, StaffID: 1})
	if refusal, ok := errors.AsType[*client.Error](err); ok && refusal.Code == client.ProblemCodeInventoryNotAvailable {
		fmt.Println("Choose another copy:", refusal.Detail)
	}
	// Output:
	// Choose another copy: The copy is out.
}
