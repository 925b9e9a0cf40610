#!/usr/bin/env escript
%% -*- erlang -*-
%% A department's system on the Erlang client of the broker's makers: publishes a file in structured mode, and prints
%% the answer's correlation, media type and body.
-include_lib("amqp_client/include/amqp_client.hrl").

main([Address, Endpoint, File]) ->
    {ok, _} = application:ensure_all_started(amqp_client),
    {ok, Parameters} = amqp_uri:parse(Address),
    {ok, Connection} = amqp_connection:start(Parameters),
    {ok, Channel} = amqp_connection:open_channel(Connection),
    #'queue.declare_ok'{queue = Answers} = amqp_channel:call(Channel, #'queue.declare'{exclusive = true}),
    #'basic.consume_ok'{} =
        amqp_channel:subscribe(Channel, #'basic.consume'{queue = Answers, no_ack = true}, self()),
    #'confirm.select_ok'{} = amqp_channel:call(Channel, #'confirm.select'{}),
    {ok, Body} = file:read_file(File),
    Properties = #'P_basic'{content_type = <<"application/cloudevents+json">>, delivery_mode = 2,
                            user_id = <<"guest">>, reply_to = Answers, correlation_id = <<"from-erlang">>},
    ok = amqp_channel:call(Channel,
                           #'basic.publish'{exchange = <<"liandong.intake">>, mandatory = true,
                                            routing_key = list_to_binary(Endpoint)},
                           #amqp_msg{props = Properties, payload = Body}),
    true = amqp_channel:wait_for_confirms(Channel, 30),
    receive
        {#'basic.deliver'{}, #amqp_msg{props = Answered, payload = Answer}} ->
            #'P_basic'{correlation_id = Correlation, content_type = Media} = Answered,
            io:format("~s~n~s~n~s~n", [Correlation, Media, Answer])
    after 60000 ->
        io:format(standard_error, "no answer~n", []),
        halt(1)
    end,
    amqp_connection:close(Connection).
