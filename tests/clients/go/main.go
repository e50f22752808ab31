// What a service in Go does with Vault's own client: it logs in, keeps its token alive until that can be renewed no more,
// reads and writes secrets, and unwraps what it was handed. It says "done" at the end, or why not.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/hashicorp/vault/api"
)

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
	fmt.Println("done")
}

func run(ctx context.Context) error {
	operator, err := api.NewClient(api.DefaultConfig())
	if err != nil {
		return err
	}
	roleID, secretID, err := prepare(ctx, operator)
	if err != nil {
		return err
	}
	app, err := operator.Clone()
	if err != nil {
		return err
	}
	login, err := app.Logical().WriteWithContext(ctx, "auth/approle/login", map[string]any{
		"role_id": roleID, "secret_id": secretID,
	})
	if err != nil {
		return err
	}
	app.SetToken(login.Auth.ClientToken)
	if err := secrets(ctx, app); err != nil {
		return err
	}
	if err := mistakes(ctx, app); err != nil {
		return err
	}
	return watch(app, login)
}

// prepare makes a role whose tokens end after some seconds, and hands its secret over wrapped.
func prepare(ctx context.Context, client *api.Client) (string, string, error) {
	health, err := client.Sys().HealthWithContext(ctx)
	if err != nil || !health.Initialized || health.Sealed {
		return "", "", fmt.Errorf("health: %+v: %w", health, err)
	}
	if err := client.Sys().EnableAuthWithOptionsWithContext(ctx, "approle", &api.EnableAuthOptions{Type: "approle"}); err != nil {
		return "", "", err
	}
	rules := `path "secret/data/app/*" { capabilities = ["create", "read", "update", "patch", "delete"] }
path "secret/metadata/app/*" { capabilities = ["read", "list", "delete"] }`
	if err := client.Sys().PutPolicyWithContext(ctx, "app", rules); err != nil {
		return "", "", err
	}
	_, err = client.Logical().WriteWithContext(ctx, "auth/approle/role/app", map[string]any{
		"token_policies": []string{"app"}, "token_ttl": "2s", "token_max_ttl": "5s",
	})
	if err != nil {
		return "", "", err
	}
	role, err := client.Logical().ReadWithContext(ctx, "auth/approle/role/app/role-id")
	if err != nil {
		return "", "", err
	}
	wrapping, err := client.Clone()
	if err != nil {
		return "", "", err
	}
	wrapping.SetToken(client.Token())
	wrapping.SetWrappingLookupFunc(func(string, string) string { return "60s" })
	wrapped, err := wrapping.Logical().WriteWithContext(ctx, "auth/approle/role/app/secret-id", nil)
	if err != nil {
		return "", "", err
	}
	secret, err := client.Logical().UnwrapWithContext(ctx, wrapped.WrapInfo.Token)
	if err != nil {
		return "", "", err
	}
	if _, err := client.Logical().UnwrapWithContext(ctx, wrapped.WrapInfo.Token); err == nil {
		return "", "", errors.New("a wrapping token was good twice")
	}
	return role.Data["role_id"].(string), secret.Data["secret_id"].(string), nil
}

func secrets(ctx context.Context, client *api.Client) error {
	kv := client.KVv2("secret")
	if _, err := kv.Put(ctx, "app/config", map[string]any{"user": "app", "password": "swordfish"}); err != nil {
		return err
	}
	if _, err := kv.Patch(ctx, "app/config", map[string]any{"user": "web"}); err != nil {
		return err
	}
	got, err := kv.Get(ctx, "app/config")
	if err != nil {
		return err
	}
	if got.Data["user"] != "web" || got.Data["password"] != "swordfish" || got.VersionMetadata.Version != 2 {
		return fmt.Errorf("read %+v", got)
	}
	versions, err := kv.GetVersionsAsList(ctx, "app/config")
	if err != nil || len(versions) != 2 {
		return fmt.Errorf("versions %+v: %w", versions, err)
	}
	return kv.DeleteMetadata(ctx, "app/config")
}

// mistakes are told as the client expects them.
func mistakes(ctx context.Context, client *api.Client) error {
	if _, err := client.KVv2("secret").Get(ctx, "app/none"); !errors.Is(err, api.ErrSecretNotFound) {
		return fmt.Errorf("what is not there: %w", err)
	}
	var refused *api.ResponseError
	if _, err := client.Logical().ReadWithContext(ctx, "sys/mounts"); !errors.As(err, &refused) || refused.StatusCode != 403 {
		return fmt.Errorf("what is forbidden: %w", err)
	}
	return nil
}

// watch has the token renewed until its maximum.
func watch(client *api.Client, login *api.Secret) error {
	watcher, err := client.NewLifetimeWatcher(&api.LifetimeWatcherInput{Secret: login})
	if err != nil {
		return err
	}
	begun := time.Now()
	go watcher.Start()
	defer watcher.Stop()
	renewals := 0
	for {
		select {
		case <-watcher.RenewCh():
			renewals++
		case err := <-watcher.DoneCh():
			if err != nil || renewals == 0 {
				return fmt.Errorf("after %d renewals: %w", renewals, err)
			}
			fmt.Fprintf(os.Stderr, "%d renewals in %s\n", renewals, time.Since(begun))
			return nil
		case <-time.After(30 * time.Second):
			return errors.New("the token lives for ever")
		}
	}
}
