//go:build ignore

// Command main is what a user of the generated Go client does, against the server at PAGILA_URL.
// It is compiled in the module of that client.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"time"

	pagila "example.com/pagila/client"
)

const fromALaterVersion = `{"type": "about:blank", "title": "Conflict", "status": 409, "detail": "New.", "instance": "/films",
	"code": "a_later_code", "request_id": "1", "a_later_member": 1}`

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	config := pagila.NewConfiguration()
	config.Servers = pagila.ServerConfigurations{{URL: os.Getenv("PAGILA_URL")}}
	client := pagila.NewAPIClient(config)
	var later pagila.Problem
	if err := json.Unmarshal([]byte(fromALaterVersion), &later); err != nil || later.Code != "a_later_code" {
		return fmt.Errorf("a problem of a later version: %+v, %w", later, err)
	}
	for _, step := range []func(context.Context, *pagila.APIClient) (string, error){list, read, readMissing, rentTwice, ask} {
		said, err := step(ctx, client)
		if err != nil {
			return err
		}
		fmt.Print(said)
	}
	fmt.Println()
	return nil
}

func list(ctx context.Context, client *pagila.APIClient) (string, error) {
	page, _, err := client.FilmsAPI.ListFilms(ctx).PageSize(5).Execute()
	if err != nil {
		return "", fmt.Errorf("list films: %w", err)
	}
	if len(page.Items) != 5 || page.Total <= 5 {
		return "", fmt.Errorf("want 5 films of many, got %+v", page)
	}
	return fmt.Sprintf("%d films", page.Total), nil
}

func read(ctx context.Context, client *pagila.APIClient) (string, error) {
	film, _, err := client.FilmsAPI.GetFilm(ctx, 1).Execute()
	if err != nil {
		return "", fmt.Errorf("read a film: %w", err)
	}
	if want := os.Getenv("RENTAL_RATE"); film.GetRentalRate() != want || len(film.Actors) == 0 {
		return "", fmt.Errorf("want money as on the wire, %q, and actors, got %+v", want, film)
	}
	return fmt.Sprintf(", film 1 for %q", film.GetRentalRate()), nil
}

func readMissing(ctx context.Context, client *pagila.APIClient) (string, error) {
	_, _, err := client.FilmsAPI.GetFilm(ctx, math.MaxInt32).Execute()
	return refused(err, 404, "film_not_found")
}

func rentTwice(ctx context.Context, client *pagila.APIClient) (string, error) {
	token, _, err := client.AuthenticationAPI.CreateToken(ctx).GrantType("password").
		Username(os.Getenv("API_USERNAME")).Password(os.Getenv("API_PASSWORD")).Execute()
	if err != nil {
		return "", fmt.Errorf("log in: %w", err)
	}
	rentals := client.RentalsAPI.CreateRental(context.WithValue(ctx, pagila.ContextAccessToken, token.AccessToken), 1)
	for number := int32(1); number <= 1000; number++ {
		copyWanted := rentals.RentalRequest(*pagila.NewRentalRequest(number, 1))
		rental, _, err := copyWanted.Execute()
		if err == nil {
			_, _, err = copyWanted.Execute()
			said, err := refused(err, 409, "inventory_not_available")
			return fmt.Sprintf(", rented copy %d", rental.InventoryId) + said, err
		}
		if _, err := refused(err, 409, "inventory_not_available"); err != nil {
			return "", err
		}
	}
	return "", errors.New("all copies are out")
}

func ask(ctx context.Context, client *pagila.APIClient) (string, error) {
	answer, _, err := client.AIAPI.AskQuestion(ctx).Question("Which comedies are rated PG?").Execute()
	if err != nil {
		return "", fmt.Errorf("ask: %w", err)
	}
	if answer == "" || strings.Contains(answer, "event:") {
		return "", fmt.Errorf("want an answer in plain text, got %.100q", answer)
	}
	return fmt.Sprintf(", answer of %d characters", len(answer)), nil
}

// refused checks that the server has refused a call with this problem.
func refused(err error, status int32, code string) (string, error) {
	var refusal *pagila.GenericOpenAPIError
	if !errors.As(err, &refusal) {
		return "", fmt.Errorf("want a refusal, got %w", err)
	}
	problem, ok := refusal.Model().(pagila.Problem)
	if !ok || problem.Status != status || problem.Code != code || problem.RequestId == "" {
		return "", fmt.Errorf("want %d %s with a request id, got %+v", status, code, refusal.Model())
	}
	return fmt.Sprintf(", %d %s", status, code), nil
}
