package client_test

import (
	"context"
	"errors"
	"fmt"

	"example.com/pagila-api/gen/client"
)

func ExampleAPI_Films() {
	server := readmeServer()
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
	server := readmeServer()
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
	server := readmeServer()
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
