package client_test

import (
	"context"
	"errors"
	"fmt"

	"example.com/pagila-api/gen/client"
)

func ExampleAPI_ListAllFilms() {
	server := readmeServer()
	defer server.Close()

	api, err := client.New(server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	for film, err := range api.ListAllFilms(context.Background(), client.ListFilmsParams{Category: []string{"Comedy"}}) {
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

func ExampleAPI_AskQuestion() {
	server := readmeServer()
	defer server.Close()

	api, err := client.New(server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	for chunk, err := range api.AskQuestion(context.Background(), "Do you have a comedy with aeroplanes?") {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Print(chunk)
	}
	fmt.Println()
	// Output:
	// Try AIRPLANE SIERRA.
}

func ExampleProblemError() {
	server := readmeServer()
	defer server.Close()

	api, err := client.New(server.URL, client.WithToken("dvd_admin"))
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = api.CreateRental(context.Background(), 1, client.RentalRequest{InventoryID: new(int32(1)), StaffID: 1})
	if problem, ok := errors.AsType[*client.ProblemError](err); ok && problem.Code == client.ProblemCodeInventoryNotAvailable {
		fmt.Println("Choose another copy:", problem.Detail)
	}
	// Output:
	// Choose another copy: The copy is rented out.
}
